"""The embedded data set: captchas in the Kaggle set's look, named after their texts.

A seed -> PNG files, so that the pipeline runs with nothing downloaded.
"""

import random
from pathlib import Path

import numpy as np
from PIL import Image

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import atomic_folder
from captcha_tagger.drawing.kaggle import draw_kaggle

CHUNK = 100  # images drawn at once
SPREAD = 0.5  # of the ranges that pretraining draws from: a set's own images are more alike


def write_samples(folder: Path, images: int, characters: str, length: int, seed: int) -> None:
    """Write `images` PNG files named after their distinct texts; the same seed, the same bytes."""
    texts = draw_texts(images, characters, length, seed)
    with atomic_folder(folder) as beside:
        for start in range(0, images, CHUNK):
            some = texts[start : start + CHUNK]
            drawn = draw_kaggle(some, np.random.default_rng((seed, start)), SPREAD)
            for text, pixels in zip(some, drawn.pixels.numpy(), strict=True):
                Image.fromarray(pixels).save(beside / f"{text}.png", compress_level=6)


def draw_texts(number: int, characters: str, length: int, seed: int) -> list[str]:
    """Draw `number` distinct texts; InputError when there are not so many, or none can be drawn."""
    alphabet = sorted(set(characters))
    if strange := [c for c in alphabet if not (c.isascii() and c.isalnum())]:
        raise InputError(
            f"sample.characters: {strange[0]!r} cannot be drawn; keep to ASCII letters and digits"
        )
    if number > len(alphabet) ** length:
        raise InputError(
            f"sample.images: only {len(alphabet) ** length} distinct texts of {length} characters "
            f"exist over {len(alphabet)} labels; ask for fewer images or longer texts"
        )
    generator = random.Random(seed)
    texts: dict[str, None] = {}
    while len(texts) < number:
        texts["".join(generator.choices(alphabet, k=length))] = None
    return list(texts)
