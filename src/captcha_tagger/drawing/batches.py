"""Training images for the synthetic backbone, drawn in batches, never the same twice.

A seed and a step -> uint8 images (batch, 1, 50, 200), targets over 62 labels, and which of them
count. Part of the images are near to the Kaggle set, the others wide of it.
"""

import string
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from captcha_tagger.drawing.sample import (
    CROSSING,
    HEIGHT,
    HOOK,
    STROKES,
    WIDTH,
    curve_points,
    draw_lines,
    load_face,
)
from captcha_tagger.drawing.warping import light_up, warp

VOCABULARY = sorted(string.digits + string.ascii_letters)
NEAR_SHARE = 0.7  # of the images are near to the Kaggle set
FACES = (  # and how far they are stretched; the near images mix the first two
    ("DejaVuSansMono-Bold", 1.0),
    ("DejaVuSans-Bold", 0.85),
    ("DejaVuSans-Bold", 1.0),
    ("DejaVuSansMono-Bold", 0.9),
    ("DejaVuSans", 0.9),
    ("DejaVuSerif-Bold", 0.85),
    ("DejaVuSans-BoldOblique", 0.85),
)
SIZES = (32, 36, 38, 40, 42)  # pixels; the near images have the last three
CHUNK = 16  # images warped at once, so that they stay in the cache
ANGLES = (0, -16, -8, 8, 16)  # degrees by which a character leans; none in the near images

KINDS = tuple(
    np.isin(VOCABULARY, list(kind))
    for kind in (string.digits, string.ascii_uppercase, string.ascii_lowercase)
)

Pixels = NDArray[np.uint8]
Flags = NDArray[np.bool_]


class Drawn(NamedTuple):
    pixels: Tensor  # uint8 (batch, 1, 50, 200)
    targets: Tensor  # float (batch, 62), 1 where the text has the label
    scored: Tensor  # bool (batch, 62), whether the label is of the image's own alphabet
    texts: Tensor  # int (batch, longest), the labels in order by number, filled up with -1


def draw_batch(size: int, seed: int, step: int) -> Drawn:
    """Draw the batch of a training step; the same seed and step give the same images."""
    generator = np.random.default_rng((seed, step))
    near = generator.random(size) < NEAR_SHARE
    scored = np.stack([_draw_alphabet(generator) for _ in range(size)])
    texts = [_draw_text(generator, *row) for row in zip(scored, near, strict=True)]
    targets = np.zeros((size, len(VOCABULARY)), np.float32)
    for row, text in enumerate(texts):
        targets[row, text] = 1
    ink = np.stack([_write(generator, *row) for row in zip(texts, near, strict=True)])
    lines = np.stack([_draw_curves(generator, row) for row in near])
    parts = []
    for start in range(0, size, CHUNK):
        part = slice(start, start + CHUNK)
        warped = warp(_as_share(ink[part]), near[part], generator)
        parts.append(light_up(warped, _as_share(lines[part]), near[part], generator))
    return Drawn(
        torch.cat(parts)[:, None],
        torch.from_numpy(targets),
        torch.from_numpy(scored),
        pad_sequence([torch.from_numpy(text) for text in texts], True, padding_value=-1),
    )


def _as_share(ink: Pixels) -> Tensor:
    return torch.from_numpy(ink).float().div_(255)


def _draw_alphabet(generator: np.random.Generator) -> Flags:
    """Which labels an image may show: bool (62,).

    Most alphabets have letters of one case, so that `c` and `C`, alike in print, are learned by
    turns at full strength instead of at half the strength together.
    """
    digits, upper, lower = KINDS
    case = generator.random()
    alphabet = digits | (lower if case < 0.55 else upper if case < 0.9 else lower | upper)
    if generator.random() < 0.5:
        keep = generator.random(len(VOCABULARY)) < generator.uniform(0.3, 0.9)
        alphabet = alphabet & keep if (alphabet & keep).sum() >= 4 else alphabet
    return alphabet


def _draw_text(generator: np.random.Generator, alphabet: Flags, near: bool) -> NDArray[np.intp]:
    length = 5 if near else generator.integers(3, 8)
    return generator.choice(np.flatnonzero(alphabet), size=length)


class Layout(NamedTuple):
    faces: NDArray[np.intp]  # of each character, as are the angles and lifts
    angles: NDArray[np.intp]
    lifts: NDArray[np.intp]  # pixels below the baseline
    size: int  # pixels
    gap: float  # pixels between the ink of neighbours
    left: float  # pixels to the first pen
    slack: float  # share of the room left over by which the text moves to the right
    baseline: int  # pixels from the top


def _lay_out_near(generator: np.random.Generator, length: int) -> Layout:
    """Measured on the Kaggle set: two faces mixed, the pen at x = 30 and y = 43."""
    upright = np.zeros(length, np.intp)
    return Layout(
        faces=generator.integers(2, size=length),
        angles=upright,
        lifts=upright,
        size=SIZES[generator.integers(2, len(SIZES))],
        gap=generator.normal(2, 0.7),
        left=generator.normal(30, 3),
        slack=0,
        baseline=int(generator.integers(42, 45)),
    )


def _lay_out_wide(generator: np.random.Generator, length: int) -> Layout:
    mixed, leaning = generator.random(2) < (0.2, 0.4)
    faces = generator.integers(len(FACES), size=length if mixed else 1)
    return Layout(
        faces=np.resize(faces, length),
        angles=generator.integers(len(ANGLES), size=length) * leaning,
        lifts=np.rint(generator.normal(0, 2, length) * leaning).astype(np.intp),
        size=SIZES[generator.integers(len(SIZES))],
        gap=generator.uniform(-1, 5),
        left=4,
        slack=generator.random(),
        baseline=int(generator.integers(36, 45)),
    )


def _write(generator: np.random.Generator, text: NDArray[np.intp], near: bool) -> Pixels:
    """Ink of the text before any warp: uint8 (50, 200)."""
    lay_out = _lay_out_near if near else _lay_out_wide
    layout = lay_out(generator, len(text))
    glyphs = [
        _glyph(VOCABULARY[label], FACES[face], layout.size, ANGLES[angle])
        for label, face, angle in zip(text, layout.faces, layout.angles, strict=True)
    ]
    room = WIDTH - 2 * layout.left - sum(glyph.width + layout.gap for glyph in glyphs)
    left = layout.left + layout.slack * max(0.0, room)
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    for glyph, lift in zip(glyphs, layout.lifts, strict=True):
        _paste(canvas, glyph, round(left), layout.baseline + int(lift))
        left += glyph.width + layout.gap
    return canvas


class Glyph(NamedTuple):
    ink: Pixels
    left: int  # pixels from the pen to the ink
    top: int  # and from the baseline
    width: float  # pixels that it takes along the line


@cache
def _glyph(character: str, face: tuple[str, float], size: int, angle: int) -> Glyph:
    name, stretch = face
    font = load_face(name, 2 * size)  # drawn at twice the size, then stretched and halved
    left, top, right, bottom = (int(edge) for edge in font.getbbox(character, anchor="ls"))
    canvas = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(canvas).text((-left, -top), character, font=font, fill=255, anchor="ls")
    box = canvas.getbbox() or (0, 0, *canvas.size)
    ink = canvas.crop(box)
    width, height = max(1, round(ink.width * stretch / 2)), max(1, round(ink.height / 2))
    ink = ink.resize((width, height), Image.Resampling.BOX)
    leaning = ink.rotate(angle, Image.Resampling.BICUBIC, expand=True) if angle else ink
    return Glyph(
        np.asarray(leaning),
        round((left + box[0]) * stretch / 2) - (leaning.width - width) // 2,
        round((top + box[1]) / 2) - (leaning.height - height) // 2,
        width,
    )


def _paste(canvas: Pixels, glyph: Glyph, x: int, y: int) -> None:
    """Darken the canvas by a glyph whose pen stands at (x, y), as far as it lies inside."""
    left, top = x + glyph.left, y + glyph.top
    right, bottom = left + glyph.ink.shape[1], top + glyph.ink.shape[0]
    inside = canvas[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    row, column = max(0, -top), max(0, -left)
    ink = glyph.ink[row : row + inside.shape[0], column : column + inside.shape[1]]
    np.maximum(inside, ink, out=inside)


def _draw_curves(generator: np.random.Generator, near: bool) -> Pixels:
    """Ink of the lines across the text: uint8 (50, 200)."""
    if near:
        return draw_lines([curve_points(generator, HOOK), curve_points(generator, CROSSING)])
    shares = np.sort(generator.random((generator.integers(4), 4)), axis=1)
    strokes = generator.uniform(0.8, 1.3) * np.array(STROKES)
    return draw_lines([curve_points(generator, row) for row in shares], strokes.tolist())
