"""One captcha as layers, each in a look of its own: ground, text, and what lies over it.

A text, faces and a generator -> Layers, which effects lays over each other.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from captcha_tagger.drawing.strokes import Canvas, Color, Random, scatter_dots, scatter_strokes
from captcha_tagger.drawing.writing import write

LEAST_CONTRAST = 70.0  # distance of the text's colours from the ground's, of 442
STROKE_COLORS = 4
BLACK, WHITE = (0, 0, 0), (255, 255, 255)

Pixels = NDArray[np.uint8]


class Layers(NamedTuple):
    ground: Pixels  # (height, width, 3)
    ink: Pixels  # (height, width, 4): premultiplied RGB and cover
    front: Pixels  # (height, width, 4)
    centres: list[float]  # x of each character, pixels


class Palette(NamedTuple):
    ground: Color
    text: list[Color]  # of each character
    strokes: list[Color]


def paint(text: str, faces: Sequence[Path], height: int, width: int, generator: Random) -> Layers:
    """Paint one captcha that shows the text."""
    palette = _choose_palette(len(text), generator)
    ground = _paint_ground(palette, height, width, generator)
    ink, front = Canvas(height, width), Canvas(height, width)
    behind, before, dotted = generator.random(3) < (0.3, 0.55, 0.35)
    if behind:
        scatter_strokes(ink, palette.strokes, generator)
    centres = write(ink, text, faces, palette.text, palette.strokes[0], generator)
    if before:
        scatter_strokes(front, palette.strokes, generator)
    if dotted:
        scatter_dots(front, palette.strokes, generator)
    return Layers(ground, ink.read(), front.read(), centres)


def _choose_palette(characters: int, generator: Random) -> Palette:
    """Grey or in colour, the text in one or one for each character, lines in the text's or not."""
    grey, light, many, same = generator.random(4) < (0.4, 0.8, 0.45, 0.45)
    ground = _draw_color(generator, grey=grey, light=light)
    number = characters if many and not grey else 1
    colors = [_draw_contrasting(ground, generator, grey=grey) for _ in range(number)]
    strokes = [
        colors[int(generator.integers(number))] if same
        else _draw_color(generator, grey=grey, light=generator.random() < 0.4)
        for _ in range(STROKE_COLORS)
    ]  # fmt: skip
    return Palette(ground, [colors[place % number] for place in range(characters)], strokes)


def _draw_color(generator: Random, *, grey: bool, light: bool) -> Color:
    low, high = (150, 256) if light else (0, 170)
    red, green, blue = generator.integers(low, high, size=3).tolist()
    return (red, red, red) if grey else (red, green, blue)


def _draw_contrasting(ground: Color, generator: Random, *, grey: bool) -> Color:
    for _ in range(8):
        color = _draw_color(generator, grey=grey, light=generator.random() < 0.25)
        if np.linalg.norm(np.subtract(color, ground)) >= LEAST_CONTRAST:
            return color
    return BLACK if sum(ground) > sum(WHITE) / 2 else WHITE


def _paint_ground(palette: Palette, height: int, width: int, generator: Random) -> Pixels:
    """Flat, a gradient, clouds or fine grain about the ground's colour; ruled now and then."""
    kind, ruled = generator.random(2)
    if kind < 0.4:
        cells = (1, 1)
    elif kind < 0.65:
        cells = (2, 2)
    elif kind < 0.85:
        cells = (int(generator.integers(2, 8)), int(generator.integers(3, 24)))
    else:
        cells = (height // 2, width // 2)
    spread = generator.uniform(5, 50)
    channels = 1 if len(set(palette.ground)) == 1 else 3
    noise = generator.uniform(-spread, spread, (*cells, channels))
    colors = np.clip(np.array(palette.ground) + noise, 0, 255).astype(np.uint8)
    image = Image.fromarray(colors).resize((width, height), Image.Resampling.BILINEAR)
    if ruled < 0.08:
        _rule(image, palette.strokes[0], generator)
    return np.asarray(image)


def _rule(image: Image.Image, color: Color, generator: Random) -> None:
    """A grid or hatching."""
    pen, step = ImageDraw.Draw(image), int(generator.integers(4, 16))
    slope = float(generator.choice([0, 0.5, 1, -1]))
    for x in range(-image.height, image.width + image.height, step):
        pen.line([(x, 0), (x + slope * image.height, image.height)], fill=color)
    if generator.random() < 0.5:
        for y in range(0, image.height, step):
            pen.line([(0, y), (image.width, y)], fill=color)
