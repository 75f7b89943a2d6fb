"""One image or many -> text, labels and probs; for the command line and the server.

A model folder -> Predictor. Images come as encoded bytes, never as paths: a server that opened
paths would read its host's files to strangers.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.processes import count_cores, in_batches
from captcha_tagger.base.work.threads import map_on_threads, one_thread
from captcha_tagger.data.pixels import Shape
from captcha_tagger.data.readings import Reading
from captcha_tagger.network.heads import HeadAnswer
from captcha_tagger.network.model_folder import load_model
from captcha_tagger.network.params import GREEDY, Read
from captcha_tagger.network.reading import read
from captcha_tagger.predict.decoding import decode_apart
from captcha_tagger.source.decoding import Pixels

BATCH = 16  # up to 64 are as fast, 128 leave the cache and take a fifth more time

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Prediction:
    """The labels whose prob is above the threshold, the prob of every label, and the text where
    the model reads."""

    labels: list[str]
    probs: dict[str, float]
    threshold: float
    reading: Reading | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, a text's beside the others."""
        rest = {"labels": self.labels, "probs": self.probs, "threshold": self.threshold}
        return rest if self.reading is None else {**asdict(self.reading), **rest}


class Predictor:
    """A loaded model with its preprocessing, vocabulary and threshold, and how it is to read."""

    def __init__(
        self, folder: Path, device: torch.device | str = "cpu", how: Read = GREEDY
    ) -> None:
        self.model = load_model(folder, device)
        fold_batch_norms(self.model)
        self._device = torch.device(device)
        self._how = how
        self.card = self.model.card

    def decode(self, images: Iterable[bytes | InputError]) -> Iterator[Pixels | InputError]:
        """Pixels in the model's shape, or why an image cannot be used; errors are passed on."""
        return decode_apart(images, Shape(*self.card.shape))

    def predict(self, pixels: Sequence[Pixels]) -> Iterator[Prediction]:
        """The predictions in the order of the decoded images; each core computes a batch."""
        if len(pixels) <= BATCH:
            yield from self.answer(pixels)  # a pool of threads costs more than an image
            return
        yield from chain.from_iterable(self.on_all_cores(self.answer, in_batches(pixels, BATCH)))

    def on_all_cores(
        self, function: Callable[[Item], Result], batches: Iterable[Item]
    ) -> Generator[Result]:
        """function(batch) for each batch, in order; each core works on a batch of its own.

        With a pattern all is done on the main thread: only there can matching one be ended.
        """
        threads = count_cores() if self._how.pattern is None else 1
        return map_on_threads(function, batches, threads)

    def answer(self, batch: Sequence[Pixels]) -> list[Prediction]:
        """The predictions of one batch, computed on the calling thread."""
        if not batch:
            return []
        answer = self._infer(batch)
        readings: list[Reading | None] = [None] * len(batch)
        if answer.log_probs is not None:
            log_probs = answer.log_probs.cpu().numpy()
            readings = [*read(log_probs, self.card.vocabulary, self.card.width, self._how)]
        probs = torch.sigmoid(answer.logits).tolist()
        return [self._name(*one) for one in zip(probs, readings, strict=True)]

    @torch.inference_mode()
    def _infer(self, batch: Sequence[Pixels]) -> HeadAnswer:
        pixels = torch.from_numpy(np.stack(batch)).to(self._device)
        with one_thread():
            return self.model.answer(pixels)

    def _name(self, probs: list[float], reading: Reading | None) -> Prediction:
        named = dict(zip(self.card.vocabulary, probs, strict=True))
        labels = [label for label, prob in named.items() if prob > self.card.threshold]
        return Prediction(labels, named, self.card.threshold, reading)


def fold_batch_norms(model: nn.Module) -> None:
    """Work each BatchNorm behind a convolution of a Sequential into its weights, in eval mode.

    Leaves the logits as they are to 1e-6 and takes an eighth off the network's time.
    """
    for layers in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for index, (layer, following) in enumerate(pairwise(layers)):
            if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                layers[index] = fuse_conv_bn_eval(layer, following)
                layers[index + 1] = nn.Identity()
