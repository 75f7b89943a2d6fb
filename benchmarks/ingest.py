"""How fast is ingest, and how much memory does it take, from 1,000 to 1,000,000 images?

    python benchmarks/ingest.py --source FOLDER [--sizes 1000 10000 100000 1000000] [--runs 3]

Prints a table: images/s of the whole stage (start-up included) and of its loop alone, peak resident
memory of the stage's process. The images are those of FOLDER, each many times with another last
row, so that all differ; they have the size, format and cost of the originals. 1,000,000 of the
Kaggle set take 12 GB, and the packed array 10 GB, under --work (a temporary folder by default).
"""

import argparse
import itertools
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Variants:
    """One image as PNG files that differ in their last row only.

    Everything before the last row is compressed once; the row itself is a stored deflate block,
    so that a variant costs microseconds to make and as much as the original to decode.
    """

    def __init__(self, image: Image.Image) -> None:
        pixels = np.asarray(image.convert("RGBA"))
        filtered = _filter_up(pixels)
        packer = zlib.compressobj(6)
        self._head = packer.compress(filtered[:-1].tobytes()) + packer.flush(zlib.Z_SYNC_FLUSH)
        self._sum = zlib.adler32(filtered[:-1].tobytes())
        self._last = filtered[-1]
        size = struct.pack(">II5B", image.width, image.height, 8, 6, 0, 0, 0)
        self._start = SIGNATURE + _chunk(b"IHDR", size)

    def make(self, number: int) -> bytes:
        """Return the PNG file of the variant."""
        row = self._last.copy()
        digits = np.frombuffer(struct.pack(">I", number), np.uint8)
        grey = np.repeat(digits, 3).reshape(4, 3)
        row[1:17].reshape(4, 4)[:, :3] += grey  # the first four pixels, alpha untouched
        raw = row.tobytes()
        stored = b"\x01" + struct.pack("<HH", len(raw), 0xFFFF - len(raw)) + raw
        end = struct.pack(">I", zlib.adler32(raw, self._sum))
        return self._start + _chunk(b"IDAT", self._head + stored + end) + _chunk(b"IEND", b"")


def _filter_up(pixels: np.ndarray) -> np.ndarray:
    """PNG filter 2 on every row: the difference to the row above. (height, 1 + width * 4)"""
    above = np.concatenate([np.zeros_like(pixels[:1]), pixels[:-1]])
    rows = (pixels - above).reshape(len(pixels), -1)
    return np.concatenate([np.full((len(rows), 1), 2, np.uint8), rows], axis=1)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def make_images(source: Path, count: int, folder: Path) -> None:
    """Write `count` different images, named after their texts."""
    files = sorted(source.rglob("*.png"))
    variants = [(file.stem, Variants(Image.open(file))) for file in files]
    folder.mkdir(parents=True)
    for number, (text, variant) in zip(range(count), itertools.cycle(variants), strict=False):
        (folder / f"{text}_{number}.png").write_bytes(variant.make(number))
