"""Training images of very many looks, drawn in batches, never the same twice.

A seed, a step and faces -> uint8 images (batch, 3, height, width) of one size, with their texts,
the place of each character and the alphabet of each look. A share has the Kaggle set's look.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from captcha_tagger.drawing.effects import finish
from captcha_tagger.drawing.kaggle import HEIGHT, LENGTH, WIDTH, draw_kaggle
from captcha_tagger.drawing.painting import paint
from captcha_tagger.drawing.strokes import Random
from captcha_tagger.drawing.texts import Text, draw_text

KAGGLE_SHARE = 0.4  # of the images of a batch that has the Kaggle set's size
USUAL_SHARE = 0.5  # of the batches have it
LOW_SHARE = 0.4  # of the others are as low
HEIGHTS, WIDTHS, ASPECTS = (52, 112), (112, 330), (1.6, 6.5)  # pixels
ROOM_A_CHARACTER = 16  # pixels: two columns, one for a blank
CHUNK = 8  # images that are worn out together


class DrawnBatch(NamedTuple):
    pixels: Tensor  # uint8 (batch, 3, height, width)
    texts: Tensor  # (batch, longest) labels by number in VOCABULARY, filled up with -1
    centres: Tensor  # (batch, longest) x of each character, pixels
    alphabets: Tensor  # bool (batch, 62), the labels that the image's look could show


def draw_batch(size: int, seed: int, step: int, faces: Sequence[Path]) -> DrawnBatch:
    """Draw the batch of a training step; the same arguments give the same images."""
    generator = np.random.default_rng((seed, step))
    height, width = _draw_size(generator)
    num_kaggle = int(size * KAGGLE_SHARE) if (height, width) == (HEIGHT, WIDTH) else 0
    looks = [draw_text(generator, LENGTH, LENGTH) for _ in range(num_kaggle)]
    longest = width // ROOM_A_CHARACTER
    looks += [draw_text(generator, 3, longest) for _ in range(size - num_kaggle)]
    images, centres = list[Tensor](), list[Tensor]()
    if num_kaggle:
        near = draw_kaggle([text.shown for text in looks[:num_kaggle]], generator)
        images.append(near.pixels[:, None].expand(-1, 3, -1, -1))
        centres += near.centres
    for start in range(num_kaggle, size, CHUNK):
        layers = [
            paint(text.shown, faces, height, width, generator)
            for text in looks[start : start + CHUNK]
        ]
        done = finish(layers, generator)
        images.append(done.pixels)
        centres += done.centres
    return _collect(torch.cat(images), looks, centres)


def _draw_size(generator: Random) -> tuple[int, int]:
    if generator.random() < USUAL_SHARE:
        return HEIGHT, WIDTH
    height = HEIGHT if generator.random() < LOW_SHARE else int(generator.integers(*HEIGHTS))
    return height, int(np.clip(height * generator.uniform(*ASPECTS), *WIDTHS))


def _collect(pixels: Tensor, texts: Sequence[Text], centres: Sequence[Tensor]) -> DrawnBatch:
    """Characters that were jostled past each other are read as they stand."""
    orders = [torch.argsort(xs, stable=True) for xs in centres]
    return DrawnBatch(
        pixels,
        _pad([torch.from_numpy(text.labels) for text in texts], orders),
        _pad(centres, orders),
        torch.from_numpy(np.stack([text.alphabet for text in texts])),
    )


def _pad(rows: Sequence[Tensor], orders: Sequence[Tensor]) -> Tensor:
    ordered = [row[order] for row, order in zip(rows, orders, strict=True)]
    return pad_sequence(ordered, batch_first=True, padding_value=-1)
