"""Decoded images on disk: one uint8 .npy array (images, channels, height, width).

Written as a stream, so that memory does not grow with the number of images; read as a memory map.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from captcha_tagger.base.errors import InputError

Pixels = npt.NDArray[np.uint8]
BLOCK_BYTES = 8_000_000


class Shape(NamedTuple):
    """The shape in which each image of a set is kept."""

    channels: int
    height: int  # pixels
    width: int


class PixelWriter:
    """Append images of one shape to a .npy file; use as a context manager."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self.shape = shape
        self.num_images = 0
        self._path = path

    def __enter__(self) -> Self:
        self._file: BinaryIO = self._path.open("w+b", buffering=BLOCK_BYTES // 8)
        self._write_header()
        self._start = self._file.tell()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.seek(0)
            self._write_header()
        finally:
            self._file.close()

    def append(self, pixels: Pixels) -> None:
        """Write one image or several, (images, channels, height, width)."""
        images = pixels.reshape(-1, *self.shape)
        self._file.write(np.ascontiguousarray(images).data)
        self.num_images += len(images)

    def drop(self, rows: Sequence[int]) -> None:
        """Take the rows out again, moving later ones up; one pass over what follows the first."""
        if not rows:
            return
        gone = np.zeros(self.num_images, bool)
        gone[list(rows)] = True
        image_bytes = int(np.prod(self.shape))
        block = max(1, BLOCK_BYTES // image_bytes)
        kept = first = min(rows)
        for start in range(first, self.num_images, block):
            stop = min(start + block, self.num_images)
            self._file.seek(self._start + start * image_bytes)
            images = np.frombuffer(self._file.read((stop - start) * image_bytes), np.uint8)
            images = images.reshape(-1, image_bytes)[~gone[start:stop]]
            self._file.seek(self._start + kept * image_bytes)
            self._file.write(images.tobytes())
            kept += len(images)
        self.num_images = kept
        self._file.truncate(self._start + kept * image_bytes)

    def _write_header(self) -> None:
        # numpy pads the header so that the first axis can grow without moving the data.
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.num_images, *self.shape)}
        np.lib.format.write_array_header_1_0(self._file, header)


def open_pixels(path: Path) -> Pixels:
    """Map the array (images, channels, height, width) read-only; InputError when it is not one."""
    try:
        pixels: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable pixel array: {error}; run ingest again") from None
    if pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise InputError(f"{path}: not a pixel array; run ingest again")
    return pixels
