"""The validation part block by block, so that memory holds neither its images nor its texts.

data/ingest/ and data/split/ -> HeldOut. No torch.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.manifest import Row, iterate_manifest, open_manifest
from captcha_tagger.data.parts import read_parts
from captcha_tagger.data.pixels import BLOCK_BYTES, Pixels, Shape, open_pixels


@dataclass(frozen=True)
class HeldOut:
    """The sorted rows of the manifest that are held out; all else is on disk."""

    ingest: Path
    shape: Shape
    rows: NDArray[np.int64]
    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.rows)

    def described(self) -> Iterator[Row]:
        """Their rows of the manifest, read anew."""
        return _iterate_held_out(self.ingest, self.rows)

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
    manifest = open_manifest(ingest / "manifest.jsonl")
    if len(manifest) != len(pixels):
        reason = f"{len(manifest)} rows of {len(pixels)} images"
        raise InputError(f"{ingest}: {reason}; run dvc repro ingest")
    deque(manifest, maxlen=0)  # every line is looked at
    return HeldOut(ingest, Shape(*pixels.shape[1:]), rows, _Texts(ingest, manifest, rows))


class _Texts(Sequence[str]):
    """The texts of such rows, read when they are asked for."""

    def __init__(self, ingest: Path, manifest: Sequence[Row], rows: NDArray[np.int64]) -> None:
        self._ingest, self._manifest, self._rows = ingest, manifest, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return (row.text for row in _iterate_held_out(self._ingest, self._rows))

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._manifest[row].text for row in self._rows[index]]
        return self._manifest[self._rows[index]].text


def _iterate_held_out(ingest: Path, rows: NDArray[np.int64]) -> Iterator[Row]:
    manifest, last = iterate_manifest(ingest / "manifest.jsonl"), -1
    for row in rows:
        yield from islice(manifest, int(row) - last - 1, int(row) - last)
        last = int(row)
