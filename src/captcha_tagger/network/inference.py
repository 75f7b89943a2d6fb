"""The model's answers on many images, always in float32 and eval mode."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from captcha_tagger.base.work.threads import map_on_threads
from captcha_tagger.data.images import LabelledImages
from captcha_tagger.data.readings import Reading
from captcha_tagger.network.ctc import reading_losses
from captcha_tagger.network.heads import HeadAnswer
from captcha_tagger.network.params import GREEDY, Read
from captcha_tagger.network.reading import read
from captcha_tagger.network.tagger import Tagger

BATCH = 64


@dataclass(frozen=True)
class Inferred:
    """Logits (images, labels), the texts where the model reads, and the mean loss of training."""

    logits: NDArray[np.float32]
    readings: list[Reading] | None
    loss: float

    @property
    def probs(self) -> NDArray[np.float32]:
        return torch.sigmoid(torch.from_numpy(self.logits)).numpy()


def infer(model: Tagger, images: LabelledImages, how: Read = GREEDY) -> Inferred:
    """All answers in the images' order; leaves the model in eval mode."""
    logits, losses, readings = [], [], list[Reading]()
    for picks, answer in _answers(model, images):
        logits.append(answer.logits.cpu())
        losses.append(measure_losses(answer, images, picks).cpu())
        if answer.log_probs is not None:
            found = answer.log_probs.cpu().numpy()
            readings += read(found, model.card.vocabulary, model.card.width, how)
    loss = float(torch.cat(losses).mean())
    return Inferred(torch.cat(logits).numpy(), readings if model.card.head == "ctc" else None, loss)


def measure_losses(answer: HeadAnswer, images: LabelledImages, picks: Tensor) -> Tensor:
    """What training lowers, of each picked image (batch,): nats a character, or a label."""
    targets = images.targets[picks.to(images.device)]
    sets = functional.binary_cross_entropy_with_logits(answer.logits, targets, reduction="none")
    if answer.log_probs is None:
        return sets.mean(1)
    return reading_losses(answer.log_probs, images.texts[picks], sets.sum(1))


def _answers(model: Tagger, images: LabelledImages) -> Iterator[tuple[Tensor, HeadAnswer]]:
    model.eval()

    @torch.no_grad()
    def answer(picks: Tensor) -> tuple[Tensor, HeadAnswer]:
        return picks, model.answer(images.pixels(picks))

    return map_on_threads(answer, images.batches(BATCH), count_threads(images.device))


def count_threads(device: torch.device) -> int:
    """How many batches are computed at once: a GPU takes one after the other."""
    return 1 if device.type == "cuda" else torch.get_num_threads()
