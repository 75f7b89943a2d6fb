"""The `synthetic` backbone: a Tagger that learns to read captchas drawn on the fly.

Params -> backbone and head weights over a broad alphabet. No image is seen twice, and batch i is a
function of (seed, i).
"""

from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from captcha_tagger.backbone.params import Backbone
from captcha_tagger.base.processes import start_pool
from captcha_tagger.drawing.batches import VOCABULARY, Drawn, draw_batch
from captcha_tagger.drawing.sample import HEIGHT, WIDTH
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.loop import History, Phase, optimize
from captcha_tagger.engine.optimizer import build_optimizer
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.network.card import Architecture, ModelCard, Normalization
from captcha_tagger.network.ctc import label_logits, reading_losses
from captcha_tagger.network.heads import CtcHead
from captcha_tagger.network.tagger import Tagger

REPORTS = 10  # epochs are all the same here: they only pace the progress and the resume file
BURST = 32  # steps drawn at a time
SETS_SHARE = 0.3  # of the steps teach which labels are there, and only then where
LEAST = -1e4  # the logit of a label that is left out: no share, and no infinity to divide by
NORMALIZATION_STEP = 2**31  # a batch that training never reaches


def pretrain(
    architecture: Architecture, params: Backbone, machine: Machine, resume: ResumeFile
) -> Tagger:
    """Train a Tagger over VOCABULARY on `params.images` drawn captchas."""
    model = _start(architecture, params).to(machine.device)
    model.train()
    steps_per_epoch = max(1, params.images // (params.batch_size * REPORTS))
    groups = model.layer_groups()
    optimizer = build_optimizer(groups, [params.learning_rate] * len(groups), params.weight_decay)
    objective = _Objective(model, params, machine, REPORTS * steps_per_epoch)
    phase = Phase("backbone", REPORTS, steps_per_epoch)
    optimize(model, objective, optimizer, phase, resume, History(), lambda _: {})
    return model.eval()


def _start(architecture: Architecture, params: Backbone) -> Tagger:
    sample = draw_batch(params.batch_size, params.seed, NORMALIZATION_STEP)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        model = Tagger(
            ModelCard(
                architecture=architecture,
                head="ctc",
                channels=1,
                height=HEIGHT,
                width=WIDTH,
                vocabulary=VOCABULARY,
                normalization=Normalization(
                    mean=[float(sample.pixels.float().mean())],
                    std=[float(sample.pixels.float().std())],
                ),
                threshold=0.5,
            )
        )
        assert isinstance(model.head, CtcHead)
        rates = sample.targets.sum(0) / sample.scored.sum(0).clamp_min(1)
        model.head.start_from_base_rates(rates.clamp(0.01, 0.99), model.columns)
    return model


class _Objective:
    """The loss of one batch over the labels that each image's own alphabet can hold.

    Their set comes first, and then their order with it.
    """

    def __init__(self, model: Tagger, params: Backbone, machine: Machine, num_steps: int) -> None:
        self.model, self.params, self.machine = model, params, machine
        self.num_steps = num_steps
        self._batches: Iterator[Drawn] | None = None

    def __call__(self, step: int) -> Tensor:
        if self._batches is None:  # a resumed run starts drawing at its step
            self._batches = self._draw(step)
        batch = next(self._batches)
        device = self.machine.device
        assert isinstance(self.model.head, CtcHead)
        with self.machine.autocast():
            weights = self.model.head.weigh(self.model.features(batch.pixels.to(device)))
        log_probs = _leave_out(weights, ~batch.scored.to(device)).log_softmax(-1)
        sets = _set_losses(label_logits(log_probs), batch)
        if step < SETS_SHARE * self.num_steps:
            return sets.mean()
        return reading_losses(log_probs, batch.texts, sets).mean()

    def _draw(self, first: int) -> Iterator[Drawn]:
        """The batches from step `first` on, the same for any number of drawing processes.

        They are drawn in bursts between the steps of training: on the same cores at the same time
        each held the other up (1.49 ms an image against 1.23 on two cores).
        """
        draw = partial(_draw_step, self.params.batch_size, self.params.seed)
        if self.machine.threads == 1:
            yield from map(draw, range(first, self.num_steps))
            return
        try:
            with start_pool(self.machine.threads) as pool:
                for start in range(first, self.num_steps, BURST):
                    steps = range(start, min(start + BURST, self.num_steps))
                    yield from list(pool.map(draw, steps))
        except BrokenProcessPool:
            raise ChildProcessError(
                "a drawing process was killed, perhaps for want of memory; run again, and training "
                "goes on where it was saved"
            ) from None


def _draw_step(batch_size: int, seed: int, step: int) -> Drawn:
    torch.set_num_threads(1)
    return draw_batch(batch_size, seed, step)


def _leave_out(weights: Tensor, unscored: Tensor) -> Tensor:
    """Take labels (batch, labels) out of the columns' choice (batch, columns, labels + 1)."""
    with_blank = functional.pad(unscored, (0, 1))
    return weights.masked_fill(with_blank[:, None], LEAST)


def _set_losses(logits: Tensor, batch: Drawn) -> Tensor:
    """Binary cross-entropy of the labels that count, summed over them: (batch,)."""
    targets, scored = batch.targets.to(logits.device), batch.scored.to(logits.device)
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (losses * scored).sum(1)
