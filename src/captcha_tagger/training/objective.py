"""Head training and fine-tuning: the shared loop on labelled images.

A Tagger and LabelledImages -> the same Tagger, trained in place.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from captcha_tagger.data.images import RESIDENT_BYTES, LabelledImages
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.loop import History, Phase, mix, optimize
from captcha_tagger.engine.optimizer import build_optimizer
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.metrics.sets import exact_set, label_accuracy, micro_f1
from captcha_tagger.metrics.texts import character_error_rate, text_accuracy
from captcha_tagger.network.heads import Answer
from captcha_tagger.network.inference import infer, measure_losses
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.training.augmentation import augment


@dataclass(frozen=True)
class Plan:
    """One phase of training; `learning_rates` are the peaks of the model's layer groups."""

    phase: str
    epochs: int
    batch_size: int
    learning_rates: list[float]
    weight_decay: float
    augment: bool
    seed: int
    frozen: bool
    ema_decay: float = 0.0


def fit(
    model: Tagger,
    train: LabelledImages,
    validation: LabelledImages,
    plan: Plan,
    machine: Machine,
    resume: ResumeFile,
    history: History,
    observe: Callable[[], None] = lambda: None,
) -> None:
    """Train the model in place, scoring the validation images after every epoch."""

    def score_epoch(outcome: Tagger) -> dict[str, float]:
        scores = score(outcome, validation)
        set_mode(model, plan)
        return scores

    set_mode(model, plan)
    optimizer = build_optimizer(model.layer_groups(), plan.learning_rates, plan.weight_decay)
    objective = Objective(model, train, plan, machine)
    phase = Phase(plan.phase, plan.epochs, objective.steps_per_epoch, plan.ema_decay)
    optimize(model, objective, optimizer, phase, resume, history, score_epoch, observe)


def score(model: Tagger, images: LabelledImages) -> dict[str, float]:
    """Loss and scores shown after every epoch, of texts where the model reads; leaves it in eval
    mode."""
    found = infer(model, images)
    predicted, actual = found.probs > model.card.threshold, images.targets.cpu().numpy() > 0.5
    scores = {
        "validation_loss": found.loss,
        "label_accuracy": label_accuracy(predicted, actual),
        "exact_set": exact_set(predicted, actual),
        "micro_f1": micro_f1(predicted, actual),
    }
    if found.readings is None:
        return scores
    read, texts = [one.text for one in found.readings], images.spell(model.card.vocabulary)
    return {
        **scores,
        "text_accuracy": text_accuracy(read, texts),
        "character_error_rate": character_error_rate(read, texts),
    }


def set_mode(model: Tagger, plan: Plan) -> None:
    """Train mode, with the backbone frozen where the plan says so."""
    model.train()
    model.freeze_backbone(plan.frozen)


class Objective:
    """The loss of one step: which images, how changed, through which part of the network."""

    def __init__(self, model: Tagger, train: LabelledImages, plan: Plan, machine: Machine) -> None:
        self.model, self.train, self.plan, self.machine = model, train, plan, machine
        self.steps_per_epoch = math.ceil(len(train) / plan.batch_size)
        self._features = self._cache_features() if plan.frozen and not plan.augment else None
        self._order: tuple[int, list[Tensor]] = (-1, [])

    def __call__(self, step: int) -> Tensor:
        picks = self._picks(step)
        torch.manual_seed(mix(self.plan.seed, step))  # dropout draws from torch's own generator
        with self.machine.autocast():
            answer = self._answer(picks, step)
        return measure_losses(answer, self.train, picks).mean()

    def _picks(self, step: int) -> Tensor:
        """The images of this step: batches of nearly equal size from the epoch's permutation."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(mix(self.plan.seed, ~epoch))
            order = torch.randperm(len(self.train), generator=generator)
            self._order = (epoch, list(order.tensor_split(self.steps_per_epoch)))
        return self._order[1][batch]

    def _answer(self, picks: Tensor, step: int) -> Answer:
        if self._features is not None:
            return self.model.head.answer(self._features[picks.to(self.train.device)])
        pixels = self.train.pixels(picks)
        if self.plan.augment:
            generator = torch.Generator().manual_seed(mix(self.plan.seed, step))
            pixels = augment(pixels, generator)
        if not self.plan.frozen:
            return self.model.answer(pixels)
        with torch.no_grad():
            features = self.model.features(pixels)
        return self.model.head.answer(features)

    @torch.no_grad()
    def _cache_features(self) -> Tensor | None:
        """The frozen backbone's features of every training image, where they fit."""
        parts: list[Tensor] = []
        for picks in self.train.batches(self.plan.batch_size):
            with self.machine.autocast():
                parts.append(self.model.features(self.train.pixels(picks)))
            if parts[0].nbytes / len(parts[0]) * len(self.train) > RESIDENT_BYTES:
                return None
        return torch.cat(parts)
