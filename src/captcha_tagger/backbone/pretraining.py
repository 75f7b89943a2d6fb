"""A Tagger over a broad alphabet, trained on captchas of very many looks, drawn on the fly.

Params and faces -> backbone and head weights. No image is seen twice, and batch i is a function of
(seed, i). What is drawn is known to the pixel: the first steps are told which column shows which
character, and CTC takes over once columns and characters have found each other.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from captcha_tagger.backbone.recipe import Recipe
from captcha_tagger.base.work.processes import start_pool
from captcha_tagger.drawing.batches import DrawnBatch, draw_batch
from captcha_tagger.drawing.kaggle import HEIGHT, WIDTH
from captcha_tagger.drawing.texts import VOCABULARY
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.loop import History, Phase, backward, optimize
from captcha_tagger.engine.optimizer import build_optimizer
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.network.card import Architecture, ModelCard
from captcha_tagger.network.ctc import text_losses
from captcha_tagger.network.heads import CtcHead
from captcha_tagger.network.tagger import Tagger

BURST = 32  # steps drawn at a time
TOLD_SHARE = 0.25  # of the steps, over which being told gives way to CTC
LABEL_RATE = 0.1  # of each label in an image, about: where the head's biases start
EXCLUDED = -1e4  # the logit of a label that an image's look does not have
IGNORED = -100  # the class of columns that could be either, beside a character's own


def pretrain(
    architecture: Architecture, recipe: Recipe, machine: Machine, resume: ResumeFile
) -> Tagger:
    """Train a Tagger over VOCABULARY, in colour, on the recipe's drawn captchas."""
    model = _start(architecture, recipe.seed).to(machine.device)
    model.train()
    steps_per_epoch = max(1, recipe.images // (recipe.batch_size * recipe.reports))
    groups = model.layer_groups()
    optimizer = build_optimizer(groups, [recipe.learning_rate] * len(groups), recipe.weight_decay)
    objective = _Objective(model, recipe, machine, recipe.reports * steps_per_epoch)
    phase = Phase("backbone", recipe.reports, steps_per_epoch)
    optimize(model, backward(objective), optimizer, phase, resume, History(), lambda _: {})
    return model.eval()


def _start(architecture: Architecture, seed: int) -> Tagger:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Tagger(
            ModelCard(
                architecture=architecture,
                head="ctc",
                channels=3,
                height=HEIGHT,
                width=WIDTH,
                vocabulary=VOCABULARY,
                threshold=0.5,
            )
        )
        assert isinstance(model.head, CtcHead)
        model.head.start_from_base_rates(torch.full((len(VOCABULARY),), LABEL_RATE), model.columns)
    return model


class _Objective:
    """The loss of one batch over the labels that each image's own alphabet can hold."""

    def __init__(self, model: Tagger, recipe: Recipe, machine: Machine, num_steps: int) -> None:
        self.model, self.recipe, self.machine = model, recipe, machine
        self.num_steps = num_steps
        self._batches: Iterator[DrawnBatch] | None = None

    def __call__(self, step: int) -> Tensor:
        if self._batches is None:  # a resumed run starts drawing at its step
            self._batches = self._draw(step)
        batch = next(self._batches)
        assert isinstance(self.model.head, CtcHead)
        with self.machine.autocast():
            features = self.model.features(batch.pixels.to(self.machine.device))
            weights = self.model.head.weigh(features)
        log_probs = _exclude(weights.float(), ~batch.alphabets).log_softmax(-1).cpu()
        told = max(0.0, 1 - step / (TOLD_SHARE * self.num_steps))
        loss = (1 - told) * text_losses(log_probs, batch.texts).mean()
        return loss + told * _told_loss(log_probs, batch) if told else loss

    def _draw(self, first: int) -> Iterator[DrawnBatch]:
        """The batches from step `first` on, the same for any number of drawing processes.

        They are drawn in bursts between the steps of training: on the same cores at the same time
        each held the other up (1.49 ms an image against 1.23 on two cores).
        """
        recipe = self.recipe
        draw = partial(_draw_step, recipe.batch_size, recipe.seed, recipe.faces)
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


def _draw_step(batch_size: int, seed: int, faces: Sequence[Path], step: int) -> DrawnBatch:
    torch.set_num_threads(1)
    return draw_batch(batch_size, seed, step, faces)


def _exclude(weights: Tensor, excluded: Tensor) -> Tensor:
    """Take labels (batch, labels) out of the columns' choice (batch, columns, labels + 1)."""
    with_blank = functional.pad(excluded.to(weights.device), (0, 1))
    return weights.masked_fill(with_blank[:, None], EXCLUDED)


def _told_loss(log_probs: Tensor, batch: DrawnBatch) -> Tensor:
    """Cross-entropy of each column's class, the mean over characters plus that over blanks."""
    classes = _name_columns(batch, log_probs.shape[1], log_probs.shape[2] - 1)
    losses = functional.nll_loss(
        log_probs.transpose(1, 2), classes, ignore_index=IGNORED, reduction="none"
    )
    blank = classes == log_probs.shape[2] - 1
    return losses[blank].mean() + losses[~blank & (classes != IGNORED)].mean()


def _name_columns(batch: DrawnBatch, columns: int, blank: int) -> Tensor:
    """What each column shows (batch, columns): a label where a character's centre is, else blank.

    A column beside a centre may show the character too, and counts for nothing.
    """
    width = batch.pixels.shape[3]
    places = (batch.centres * columns / width).long()
    shown = (batch.texts >= 0) & (batch.centres >= 0) & (places < columns)
    rows = torch.arange(len(places))[:, None].expand_as(places)[shown]
    centres = places[shown]
    classes = torch.full((len(places), columns), blank)
    for step in (-1, 1):
        classes[rows, (centres + step).clamp(0, columns - 1)] = IGNORED
    classes[rows, centres] = batch.texts[shown]
    return classes
