"""The ingested data as training sees it: pixels, targets and the two parts.

data/ingest/ and data/split/ -> Dataset.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from captcha_tagger.base.files import read_json
from captcha_tagger.data.images import LabelledImages
from captcha_tagger.data.labels import encode_texts, index_texts
from captcha_tagger.data.manifest import Row, read_manifest
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
    parts = read_json(split / "parts.json")
    return replace(
        load_unsplit(ingest),
        train=np.array(parts["train"], np.int64),
        validation=np.array(parts["validation"], np.int64),
    )


def load_unsplit(ingest: Path) -> Dataset:
    """The ingested data with every image in the training part."""
    rows = read_manifest(ingest / "manifest.jsonl")
    vocabulary = read_json(ingest / "vocabulary.json")
    return Dataset(
        open_pixels(ingest / "pixels.npy"),
        rows,
        vocabulary,
        encode_texts([row.text for row in rows], vocabulary),
        train=np.arange(len(rows)),
        validation=np.array([], np.int64),
    )
