"""The ingested data as training sees it: pixels, targets and the two parts.

data/ingest/ and data/split/ -> Dataset.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.images import LabelledImages
from captcha_tagger.data.labels import encode_texts, index_texts, read_vocabulary
from captcha_tagger.data.manifest import Row, read_manifest
from captcha_tagger.data.parts import read_parts
from captcha_tagger.data.pixels import open_pixels
from captcha_tagger.data.sheet import pick_samples


@dataclass(frozen=True)
class Dataset:
    """Pixels (images, channels, height, width) uint8 on disk, targets (images, labels)."""

    pixels: NDArray[np.uint8]
    rows: list[Row]
    vocabulary: list[str]
    targets: NDArray[np.float32]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]

    def train_images(self, device: torch.device) -> LabelledImages:
        return self._images(self.train, device)

    def some_train_images(self, number: int, device: torch.device) -> LabelledImages:
        """At most so many, evenly spaced."""
        picks = pick_samples(self.train.tolist(), number)
        return self._images(np.array(picks, np.int64), device)

    def validation_images(self, device: torch.device) -> LabelledImages:
        return self._images(self.validation, device)

    @property
    def validation_rows(self) -> list[Row]:
        return [self.rows[row] for row in self.validation]

    def _images(self, rows: NDArray[np.int64], device: torch.device) -> LabelledImages:
        texts = index_texts([self.rows[row].text for row in rows], self.vocabulary)
        return LabelledImages(self.pixels, self.targets, texts, rows, device)

    def base_rates(self) -> NDArray[np.float32]:
        """The share of training images that hold each label (labels,), never quite 0 or 1."""
        counts = self.targets[self.train].sum(0)
        rates: NDArray[np.float32] = ((counts + 1) / (len(self.train) + 2)).astype(np.float32)
        return rates


def load_dataset(ingest: Path, split: Path) -> Dataset:
    """Read what ingest and split left; InputError when it is damaged or does not fit."""
    data = load_unsplit(ingest)
    parts = read_parts(split / "parts.json", len(data.rows))
    return replace(data, train=parts.train, validation=parts.validation)


def load_unsplit(ingest: Path) -> Dataset:
    """The ingested data with every image in the training part; InputError when it is damaged."""
    rows = read_manifest(ingest / "manifest.jsonl")
    vocabulary = read_vocabulary(ingest / "vocabulary.json")
    pixels = open_pixels(ingest / "pixels.npy")
    if len(rows) != len(pixels):
        raise InputError(
            f"{ingest}: {len(rows)} rows of {len(pixels)} images; run dvc repro ingest"
        )
    return Dataset(
        pixels,
        rows,
        vocabulary,
        encode_texts([row.text for row in rows], vocabulary),
        train=np.arange(len(rows)),
        validation=np.array([], np.int64),
    )
