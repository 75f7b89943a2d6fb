"""What reads images that nobody has labelled yet: a trained model, or the shipped backbone itself.

Pixels -> log probs, and features by which images differ; log probs and the texts known so far ->
Readings.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from captcha_tagger.backbone.shipped_tagger import load_shipped
from captcha_tagger.base.errors import InputError
from captcha_tagger.data.labels import Case, fold
from captcha_tagger.data.pixels import Pixels, Shape
from captcha_tagger.data.readings import Reading
from captcha_tagger.network.model_folder import load_model
from captcha_tagger.network.reading import read
from captcha_tagger.network.tagger import Tagger

# What is counted of each label before the first: one that was typed once is eleven times as likely
# as one that never was, and strong evidence still brings up a new one.
PSEUDO_COUNT = 0.1

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """Log probs (images, columns, labels + 1), the blank last, and features (images, channels)."""

    log_probs: Floats
    features: Floats

    @property
    def presence(self) -> Floats:
        """The prob that each label is somewhere in each image (images, labels)."""
        return 1 - np.prod(1 - np.exp(self.log_probs[..., :-1]).clip(0, 1), axis=1)


class Reader:
    """A model that reads, and the labels that remain of its own where case means nothing."""

    def __init__(self, model: Tagger, case: Case) -> None:
        if model.card.head != "ctc":
            raise InputError("this model reads no texts; train with train_head.head set to ctc")
        self._model = model.eval()
        self.shape = Shape(*model.card.shape)
        folded = [_fold(label, case) for label in model.card.vocabulary]
        self.vocabulary = sorted(set(folded))
        self._places = [*map(self.vocabulary.index, folded), len(self.vocabulary)]

    @torch.inference_mode()
    def look(self, pixels: Pixels) -> Seen:
        """A batch (images, channels, height, width) as the model sees it."""
        features = self._model.features(torch.from_numpy(pixels))
        log_probs = self._model.head.answer(features).log_probs
        assert log_probs is not None
        probs = np.zeros((*log_probs.shape[:2], len(self.vocabulary) + 1), np.float32)
        for label, place in enumerate(self._places):
            probs[..., place] += log_probs[..., label].exp().numpy()
        pooled = features.float().mean((2, 3)).numpy()
        return Seen(np.log(np.maximum(probs, np.finfo(np.float32).tiny)), pooled)

    def read(self, log_probs: Floats, known: Iterable[str]) -> list[Reading]:
        """The text of each image, where the characters of known texts are likelier than others.

        Each column's probs are weighted by how often a label was seen, and made to sum to 1 again:
        with a few texts typed, most of what the backbone knows beside a set's labels is ruled out.
        """
        counts = Counter("".join(known))
        weights = np.array([counts[label] + PSEUDO_COUNT for label in self.vocabulary])
        weighted = log_probs.astype(np.float64)
        weighted[..., :-1] += np.log(weights / weights.mean())
        weighted -= np.logaddexp.reduce(weighted, axis=-1, keepdims=True)
        return read(weighted.astype(np.float32), self.vocabulary, self.shape.width)


def read_by_model(folder: Path, case: Case) -> Reader:
    """The model in a folder; InputError when it is none, or reads no texts."""
    return Reader(load_model(folder), case)


def read_by_backbone(shape: Shape, case: Case) -> Reader:
    """The shipped backbone with the head it was pretrained with: it reads without a label."""
    return Reader(load_shipped(**shape._asdict()), case)


def _fold(label: str, case: Case) -> str:
    folded = fold(label, case)
    return folded if len(folded) == 1 else label
