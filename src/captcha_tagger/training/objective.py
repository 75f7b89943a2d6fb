"""What a step of head training or fine-tuning lowers.

A Tagger, LabelledImages and a Plan -> the loss of a step, of all its images or shard by shard.
"""

import math
from copy import copy
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from captcha_tagger.base.work.threads import map_on_threads
from captcha_tagger.data.images import RESIDENT_BYTES, LabelledImages
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.loop import mix
from captcha_tagger.network.heads import HeadAnswer
from captcha_tagger.network.inference import count_threads, measure_losses
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.training.augmentation import augment


@dataclass(frozen=True)
class Plan:
    """One phase of training; `learning_rates` are the peaks of the model's layer groups.

    A batch falls into so many shards, each a batch of its own to BatchNorm and dropout.
    """

    phase: str
    epochs: int
    batch_size: int
    learning_rates: list[float]
    weight_decay: float
    augment: bool
    seed: int
    frozen: bool
    ema_decay: float = 0.0
    shards: int = 1


def set_mode(model: Tagger, plan: Plan) -> None:
    """Train mode, with the backbone frozen where the plan says so."""
    model.train()
    model.freeze_backbone(plan.frozen)


class TaggerObjective:
    """The loss of a shard: which images, how changed, through which part of the network.

    Dropout and augmentation draw by the number of the shard among those of all steps.
    """

    def __init__(self, model: Tagger, train: LabelledImages, plan: Plan, machine: Machine) -> None:
        self.model, self.train, self.plan, self.machine = model, train, plan, machine
        self.steps_per_epoch = math.ceil(len(train) / plan.batch_size)
        self._features = self._cache_features() if plan.frozen and not plan.augment else None
        self._order: tuple[int, list[Tensor]] = (-1, [])

    def __call__(self, step: int, shard: int = 0) -> Tensor:
        """The mean loss of the shard's images, times its share of the batch."""
        picks = self._pick_shard(step, shard)
        seed = mix(self.plan.seed, step * self.plan.shards + shard)
        torch.manual_seed(seed)  # dropout draws from torch's own generator
        with self.machine.autocast():
            answer = self._answer(picks, seed)
        return measure_losses(answer, self.train, picks).mean() * self.share(step, shard)

    def on(self, model: Tagger) -> Self:
        """The same loss, for a copy of the model."""
        other = copy(self)
        other.model = model
        return other

    def share(self, step: int, shard: int) -> float:
        """The shard's share of the step's images."""
        return len(self._pick_shard(step, shard)) / len(self._pick_batch(step))

    def _pick_shard(self, step: int, shard: int) -> Tensor:
        return self._pick_batch(step).tensor_split(self.plan.shards)[shard]

    def _pick_batch(self, step: int) -> Tensor:
        """The images of this step: batches of nearly equal size from the epoch's permutation."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(mix(self.plan.seed, ~epoch))
            order = torch.randperm(len(self.train), generator=generator)
            self._order = (epoch, list(order.tensor_split(self.steps_per_epoch)))
        return self._order[1][batch]

    def _answer(self, picks: Tensor, seed: int) -> HeadAnswer:
        if self._features is not None:
            return self.model.head.answer(self._features[picks.to(self.train.device)])
        pixels = self.train.pixels(picks)
        if self.plan.augment:
            generator = torch.Generator().manual_seed(seed)
            pixels = augment(pixels, generator)
        if not self.plan.frozen:
            return self.model.answer(pixels)
        with torch.no_grad():
            features = self.model.features(pixels)
        return self.model.head.answer(features)

    def _cache_features(self) -> Tensor | None:
        """The frozen backbone's features of every training image, where they fit."""
        batches = self.train.batches(self.plan.batch_size)
        parts: list[Tensor] = []
        for features in map_on_threads(self._extract, batches, count_threads(self.train.device)):
            parts.append(features)
            if parts[0].nbytes / len(parts[0]) * len(self.train) > RESIDENT_BYTES:
                return None
        return torch.cat(parts)

    @torch.no_grad()
    def _extract(self, picks: Tensor) -> Tensor:
        with self.machine.autocast():
            return self.model.features(self.train.pixels(picks))
