"""The `synthetic` backbone: a Tagger over a broad alphabet, trained on captchas drawn on the fly.

Params -> backbone and head weights. No image is seen twice, and batch i is a function of (seed, i).
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from captcha_tagger.card import Architecture, ModelCard, Normalization
from captcha_tagger.compute import Machine
from captcha_tagger.drawing import VOCABULARY, Drawn, draw_batch
from captcha_tagger.model import NoisyOrHead, Tagger
from captcha_tagger.parallel import map_batches
from captcha_tagger.params import Backbone
from captcha_tagger.resume import ResumeFile
from captcha_tagger.synthetic import HEIGHT, WIDTH
from captcha_tagger.training import History, Phase, build_optimizer, optimize

REPORTS = 10  # epochs are all the same here: they only pace the progress and the resume file
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
    optimize(model, objective, optimizer, phase, resume, History(), dict)
    return model.eval()


def _start(architecture: Architecture, params: Backbone) -> Tagger:
    sample = draw_batch(params.batch_size, params.seed, NORMALIZATION_STEP)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        model = Tagger(
            ModelCard(
                architecture=architecture,
                pooling="noisy_or",
                channels=1,
                height=HEIGHT,
                width=WIDTH,
                vocabulary=VOCABULARY,
                normalization=Normalization(
                    mean=[float(sample.pixels.float().mean())],
                    std=[float(sample.pixels.float().std())],
                ),
                average_shifts=False,
                threshold=0.5,
            )
        )
        assert isinstance(model.head, NoisyOrHead)
        rates = sample.targets.sum(0) / sample.scored.sum(0).clamp_min(1)
        model.head.start_from_base_rates(rates.clamp(0.01, 0.99), model.columns)
    return model


class _Objective:
    """The loss of one batch over the labels that each image's own alphabet can hold."""

    def __init__(self, model: Tagger, params: Backbone, machine: Machine, num_steps: int) -> None:
        self.model, self.params, self.machine = model, params, machine
        self.num_steps = num_steps
        self._batches: Iterator[Drawn] | None = None

    def __call__(self, step: int) -> Tensor:
        if self._batches is None:  # a resumed run starts drawing at its step
            self._batches = self._draw(range(step, self.num_steps))
        batch = next(self._batches)
        device = self.machine.device
        with self.machine.autocast():
            logits = self.model(batch.pixels.to(device))
        losses = functional.binary_cross_entropy_with_logits(
            logits.float(), batch.targets.to(device), reduction="none"
        )
        scored = batch.scored.to(device)
        return (losses * scored).sum() / scored.sum()

    def _draw(self, steps: range) -> Iterator[Drawn]:
        """Draw ahead on other processes; the batches are the same for any number of them."""
        yield from map_batches(
            _DrawStep(self.params.batch_size, self.params.seed),
            ([step] for step in steps),
            processes=self.machine.threads,
            on_crash=_report_crash,
        )


class _DrawStep:
    """A picklable `draw_batch` of one step."""

    def __init__(self, batch_size: int, seed: int) -> None:
        self.batch_size, self.seed = batch_size, seed

    def __call__(self, steps: Sequence[int]) -> Drawn:
        torch.set_num_threads(1)
        return draw_batch(self.batch_size, self.seed, steps[0])


def _report_crash(step: int) -> Drawn:
    raise RuntimeError(f"backbone: a drawing process died at step {step}")
