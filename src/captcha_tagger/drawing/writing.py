"""A text written on a layer, in a hand of its own.

Every text has its own faces, size, spacing, turn, shear and jitter, from type-set to scrawled.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captcha_tagger.drawing.faces import Style, draw_glyph, measure_middle, next_size
from captcha_tagger.drawing.strokes import Canvas, Color, Random

SMALLEST, LARGEST = 11, 96  # pixels from the top of a d to the bottom of a p
TURNS = (8, 15, 25, 38)  # degrees
MIDDLE = 0.36  # of the characters above the baseline, in sizes of the face


class Hand(NamedTuple):
    """How the characters of one text are written; angles in degrees, lengths in pixels."""

    size: float
    style: Style
    turn: float
    shear: float
    stretch: float
    jitter_x: float
    jitter_y: float
    jitter_size: float  # share
    shadow: tuple[int, int] | None


class Written(NamedTuple):
    ink: Image.Image
    drop: float  # pixels from the line's middle to that of the ink


def write(
    canvas: Canvas, text: str, faces: Sequence[Path], colors: Sequence[Color], shade: Color,
    generator: Random,
) -> list[float]:  # fmt: skip
    """Write the text in the colours of its characters; returns the x of each one's centre."""
    used = canvas.width * generator.uniform(0.55, 0.98)
    pitch = used / len(text)
    hand = _choose_hand(pitch, canvas.height, generator)
    glyphs = [
        _form(character, face, hand, generator)
        for character, face in zip(text, _choose_faces(faces, len(text), generator), strict=True)
    ]
    centres = _space(glyphs, pitch, canvas.width, hand, generator)
    heights = _lift(len(text), canvas.height, hand, generator)
    for glyph, color, x, y in zip(glyphs, colors, centres, heights, strict=True):
        lowest = max(-2, canvas.height - glyph.ink.height + 2)
        top = int(np.clip(round(y + glyph.drop - glyph.ink.height / 2), -2, lowest))
        left = round(x - glyph.ink.width / 2)
        if hand.shadow:
            canvas.stamp(glyph.ink, (left + hand.shadow[0], top + hand.shadow[1]), shade)
        canvas.stamp(glyph.ink, (left, top), color)
    return centres.tolist()


def _choose_hand(pitch: float, height: int, generator: Random) -> Hand:
    tall = height * generator.uniform(0.5, 1.15)
    size = float(np.clip(min(tall, pitch * generator.uniform(1.15, 2.3)), SMALLEST, LARGEST))
    upright, straight, even = generator.random(3) < (0.45, 0.6, 0.6)
    shadow = (int(generator.integers(-3, 4)), int(generator.integers(1, 4)))
    return Hand(
        size=size,
        style=_choose_style(generator),
        turn=0.0 if upright else float(generator.choice(TURNS)),
        shear=0.0 if straight else generator.uniform(0.05, 0.4),
        stretch=generator.uniform(0.75, 1.3),
        jitter_x=generator.uniform(0, 0.12) * pitch,
        jitter_y=generator.uniform(0, 1) * max(1.0, height - size) / 2,
        jitter_size=0.0 if even else generator.uniform(0.05, 0.25),
        shadow=shadow if generator.random() < 0.08 else None,
    )


def _choose_style(generator: Random) -> Style:
    styles: tuple[Style, ...] = ("plain", "bold", "outline", "thin")
    return styles[generator.choice(len(styles), p=(0.75, 0.12, 0.08, 0.05))]


def _choose_faces(faces: Sequence[Path], characters: int, generator: Random) -> list[Path]:
    """One face for all characters, or one for each."""
    mixed = generator.random() < 0.35
    picks = generator.integers(len(faces), size=characters if mixed else 1)
    return [faces[pick] for pick in np.resize(picks, characters).tolist()]


def _form(character: str, face: Path, hand: Hand, generator: Random) -> Written:
    """A character scaled, sheared and turned."""
    size = hand.size * (1 + generator.uniform(-1, 1) * hand.jitter_size)
    kept = next_size(size)
    ink = draw_glyph(face, character, kept, hand.style)
    width = max(2, round(ink.width * size / kept * hand.stretch))
    height = max(2, round(ink.height * size / kept))
    ink = ink.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    shear, turn = generator.uniform(-1, 1, 2) * (hand.shear, hand.turn)
    if abs(shear) > 0.03:
        ink = _shear(ink, shear)
    if abs(turn) > 1:
        ink = ink.rotate(turn, Image.Resampling.BILINEAR, expand=True)
    return Written(ink, (measure_middle(face, character) + MIDDLE) * size)


def _shear(ink: Image.Image, shear: float) -> Image.Image:
    wider = ink.width + int(abs(shear) * ink.height) + 1
    shift = max(0.0, shear * ink.height)
    return ink.transform(
        (wider, ink.height), Image.Transform.AFFINE, (1, shear, -shift, 0, 1, 0),
        Image.Resampling.BILINEAR,
    )  # fmt: skip


def _space(
    glyphs: Sequence[Written], pitch: float, width: int, hand: Hand, generator: Random
) -> NDArray[np.float64]:
    """Centres along x: at equal distances, or with equal gaps between the ink."""
    widths = np.array([glyph.ink.width for glyph in glyphs], np.float64)
    if generator.random() < 0.5:
        places = (np.arange(len(glyphs)) + 0.5) * pitch
        used = pitch * len(glyphs)
    else:
        room = (0.98 * width - widths.sum()) / max(1, len(glyphs) - 1)
        gap = min(generator.uniform(-0.15, 0.25) * hand.size, room)
        places = np.cumsum(widths + gap) - gap - widths / 2
        used = widths.sum() + gap * (len(glyphs) - 1)
    left = generator.uniform(0, max(0.0, width - used))
    return left + places + generator.uniform(-1, 1, len(glyphs)) * hand.jitter_x


def _lift(characters: int, height: int, hand: Hand, generator: Random) -> NDArray[np.float64]:
    """The line's middle at each character: level, jumping, or wandering."""
    middle = height / 2 + generator.uniform(-0.3, 0.3) * hand.jitter_y
    jumps = generator.uniform(-1, 1, characters) * hand.jitter_y * generator.choice([0, 0.3, 0.8])
    drift = np.cumsum(generator.uniform(-1, 1, characters)) * 0.05 * hand.size
    return middle + jumps + (drift if generator.random() < 0.15 else 0)
