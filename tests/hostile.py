"""Small images and archives, good and bad, that the ingest tests share."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TEXTS = ["ab1", "bc2", "cd3", "da1", "ab2", "cc3", "dd1", "bd2"]


def draw(seed: int, mode: str = "RGB", size: tuple[int, int] = (40, 20)) -> Image.Image:
    """A seeded image of smooth noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return Image.fromarray(noise).resize(size).convert(mode)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(seed: int) -> bytes:
    return encode(draw(seed))


def fill_folder(folder: Path, texts: list[str] = TEXTS) -> Path:
    """Write one image a text."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, text in enumerate(texts):
        (folder / f"{text}.png").write_bytes(png(seed))
    return folder


def pack(path: Path, entries: dict[str | zipfile.ZipInfo, bytes], **options: Any) -> Path:
    """Write a zip of the entries."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path
