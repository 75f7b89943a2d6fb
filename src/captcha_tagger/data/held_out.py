"""The validation part block by block, so that memory holds its texts, and not its images.

data/ingest/ and data/split/ -> HeldOut. No torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.manifest import Row, iterate_manifest
from captcha_tagger.data.parts import read_parts
from captcha_tagger.data.pixels import BLOCK_BYTES, Pixels, Shape, open_pixels


@dataclass(frozen=True)
class HeldOut:
    """The sorted rows of the manifest that are held out, and their texts; all else is on disk."""

    ingest: Path
    shape: Shape
    rows: NDArray[np.int64]
    texts: list[str]

    def __len__(self) -> int:
        return len(self.rows)

    def files(self) -> Iterator[str]:
        """Their paths in the source, read anew."""
        return (row.file for row in _iterate_held_out(self.ingest, self.rows))

    def pixels(self, positions: slice | NDArray[np.int64]) -> Pixels:
        """The pixels at these positions among the rows (images, channels, height, width), copied.

        They are mapped anew each time: what is read of a map stays with the process as long as
        the map does.
        """
        return open_pixels(self.ingest / "pixels.npy")[self.rows[positions]]

    def batches(self, size: int) -> Iterator[tuple[slice, Pixels]]:
        """Consecutive positions, so many at a time, and their pixels, all images in order."""
        image_bytes = int(np.prod(self.shape))
        block = size * max(1, BLOCK_BYTES // (image_bytes * size))
        for start in range(0, len(self), block):
            pixels = self.pixels(slice(start, start + block))
            for first in range(0, len(pixels), size):
                part = pixels[first : first + size]
                yield slice(start + first, start + first + len(part)), part


def open_held_out(ingest: Path, split: Path) -> HeldOut:
    """Look at what ingest and split left; InputError when it is damaged or does not fit."""
    pixels = open_pixels(ingest / "pixels.npy")
    rows = read_parts(split / "parts.json", len(pixels)).validation
    if not len(rows):
        raise InputError(f"{split}: no image is held out; run dvc repro split")
    if (np.diff(rows) <= 0).any():
        raise InputError(f"{split}: its rows are not sorted; run dvc repro split")
    num_rows = sum(1 for _ in iterate_manifest(ingest / "manifest.jsonl"))
    if num_rows != len(pixels):
        raise InputError(f"{ingest}: {num_rows} rows of {len(pixels)} images; run dvc repro ingest")
    texts = [row.text for row in _iterate_held_out(ingest, rows)]
    return HeldOut(ingest, Shape(*pixels.shape[1:]), rows, texts)


def _iterate_held_out(ingest: Path, rows: NDArray[np.int64]) -> Iterator[Row]:
    held_out = np.zeros(rows[-1] + 1, bool)
    held_out[rows] = True
    return compress(iterate_manifest(ingest / "manifest.jsonl"), map(bool, held_out))
