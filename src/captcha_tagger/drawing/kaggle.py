"""The look of the Kaggle captchas, drawn: texts and a generator -> grey pixels (batch, 50, 200).

Measured on real images: two bold sans faces mixed, whose characters stand as close as their ink
allows, a radial wave of two pixels' length that tears the middle apart, a sine ripple over
everything, then two thinning curves on top of a background that grows lighter to the right. Every
amount varies a little about what was measured.
"""

import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from captcha_tagger.drawing.effects import Amounts, Draw, bend
from captcha_tagger.drawing.faces import load_face, matplotlib_face
from captcha_tagger.drawing.strokes import Random

HEIGHT, WIDTH = 50, 200  # pixels
LENGTH = 5  # characters of a real text; a longer one is written closer
FACES = (("DejaVuSansMono-Bold", 1.0), ("DejaVuSans-Bold", 0.85))  # and how far they are stretched
SIZES = (38, 40, 42)  # pixels
ROOM = 150  # pixels; longer texts are written smaller
HOOK, CROSSING = (0.1, 0.1, 0.25, 0.25), (0.1, 0.25, 0.5, 0.9)  # x of the curves' control points
STROKES = (3.6, 2.7, 1.8)  # widths of a curve's first pieces; the last one stays
FLATNESS = 2.0  # pixels by which a piece may miss its curve
OVERSAMPLING = 4
CHUNK = 16  # images warped at once, so that they stay in the cache

Point = tuple[float, float]
Pixels = NDArray[np.uint8]


class Glyph(NamedTuple):
    ink: Pixels
    left: int  # pixels from the pen to the ink
    top: int  # and from the baseline


class Drawn(NamedTuple):
    pixels: Tensor  # uint8 (batch, 50, 200)
    centres: list[Tensor]  # x of each character, pixels


def draw_kaggle(texts: Sequence[str], generator: Random, spread: float = 1.0) -> Drawn:
    """Captchas that the Kaggle set might hold; less than a whole `spread` makes them more alike."""
    written = [_write(text, generator, spread) for text in texts]
    ink = _as_share([canvas for canvas, _ in written])
    lines = _as_share([_draw_lines(generator) for _ in texts])
    parts = []
    for start in range(0, len(texts), CHUNK):
        part = slice(start, start + CHUNK)
        draw = Amounts(len(ink[part]), generator, spread=spread).draw
        torn = _bend(ink[part], *_tear(draw))
        parts.append(_light_up(_bend(torn, *_ripple(draw)), lines[part], draw, generator))
    return Drawn(torch.cat(parts), [torch.tensor(centres) for _, centres in written])


def _as_share(arrays: Sequence[Pixels]) -> Tensor:
    return torch.from_numpy(np.stack(arrays)).float().div_(255)


def _write(text: str, generator: Random, spread: float) -> tuple[Pixels, list[float]]:
    """Ink of the undistorted text, and the x of each character's centre."""
    faces = [FACES[pick] for pick in generator.integers(len(FACES), size=len(text))]
    size = SIZES[generator.integers(len(SIZES))]
    gap, left = generator.normal(2, 0.7 * spread), generator.normal(30, 3 * spread)
    baseline = int(generator.integers(42, 45))
    pairs = list(zip(text, faces, strict=True))
    needed = sum(_glyph(*pair, size).ink.shape[1] + gap for pair in pairs)
    room = ROOM - gap * max(0, len(text) - LENGTH)  # gaps do not shrink
    size = min(size, round(size * room / needed))
    canvas, centres = np.zeros((HEIGHT, WIDTH), np.uint8), []
    for pair in pairs:
        glyph = _glyph(*pair, size)
        _paste(canvas, glyph, round(left), baseline)
        centres.append(left + glyph.left + glyph.ink.shape[1] / 2)
        left += glyph.ink.shape[1] + gap
    return canvas, centres


@cache
def _glyph(character: str, face: tuple[str, float], size: int) -> Glyph:
    """Drawn at twice the size, then stretched and halved."""
    name, stretch = face
    font = load_face(matplotlib_face(name), 2 * size)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(character, anchor="ls"))
    canvas = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(canvas).text((-left, -top), character, font=font, fill=255, anchor="ls")
    box = canvas.getbbox() or (0, 0, *canvas.size)
    ink = canvas.crop(box)
    size_now = max(1, round(ink.width * stretch / 2)), max(1, round(ink.height / 2))
    ink = ink.resize(size_now, Image.Resampling.BOX)
    return Glyph(np.asarray(ink), round((left + box[0]) * stretch / 2), round((top + box[1]) / 2))


def _paste(canvas: Pixels, glyph: Glyph, x: int, y: int) -> None:
    """Darken the canvas by a glyph whose pen stands at (x, y), as far as it lies inside."""
    left, top = x + glyph.left, y + glyph.top
    right, bottom = left + glyph.ink.shape[1], top + glyph.ink.shape[0]
    inside = canvas[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    row, column = max(0, -top), max(0, -left)
    ink = glyph.ink[row : row + inside.shape[0], column : column + inside.shape[1]]
    np.maximum(inside, ink, out=inside)


def _draw_lines(generator: Random) -> Pixels:
    """Ink of the two curves, antialiased: uint8 (50, 200)."""
    canvas = Image.new("L", (WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING))
    pen = ImageDraw.Draw(canvas)
    for shares in (HOOK, CROSSING):
        heights = generator.random(4)
        curve = [(x * WIDTH, float(y) * HEIGHT) for x, y in zip(shares, heights, strict=True)]
        points = [curve[0], *_flatten(curve)]
        for piece, ends in enumerate(itertools.pairwise(points)):
            pen.polygon(_stroke(*ends, STROKES[min(piece, len(STROKES) - 1)]), fill=255)
    return np.asarray(canvas.reduce(OVERSAMPLING))


def _flatten(curve: list[Point]) -> list[Point]:
    """Halve a cubic curve until its pieces are flat; the pieces' right ends."""
    first, second, third, last = curve
    if max(_distance(second, first, last), _distance(third, first, last)) < FLATNESS:
        return [last]
    left, middle, right = _between(first, second), _between(second, third), _between(third, last)
    left_control, right_control = _between(left, middle), _between(middle, right)
    half = _between(left_control, right_control)
    return _flatten([first, left, left_control, half]) + _flatten(
        [half, right_control, right, last]
    )


def _between(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _distance(point: Point, start: Point, end: Point) -> float:
    """Distance from a point to a segment."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = (point[0] - start[0]) * dx + (point[1] - start[1]) * dy
    share = min(1.0, max(0.0, along / (dx * dx + dy * dy or 1.0)))
    return math.hypot(point[0] - start[0] - share * dx, point[1] - start[1] - share * dy)


def _stroke(start: Point, end: Point, width: float) -> list[Point]:
    """Corners of a stroke with square caps between whole pixels, on the oversampled canvas."""
    (x0, y0), (x1, y1) = ((int(x) + 0.5, int(y) + 0.5) for x, y in (start, end))
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    dx, dy = (x1 - x0) / length * width / 2, (y1 - y0) / length * width / 2
    corners = [
        (x0 - dx - dy, y0 - dy + dx),
        (x1 + dx - dy, y1 + dy + dx),
        (x1 + dx + dy, y1 + dy - dx),
        (x0 - dx + dy, y0 - dy - dx),
    ]
    return [(x * OVERSAMPLING - 0.5, y * OVERSAMPLING - 0.5) for x, y in corners]


X = torch.arange(WIDTH, dtype=torch.float32)[None, None, :]
Y = torch.arange(HEIGHT, dtype=torch.float32)[None, :, None]


def _tear(draw: Draw) -> tuple[Tensor, Tensor]:
    """A radial wave; at two pixels' wavelength it aliases into the torn look."""
    off_x, off_y = X - draw(98, 106), Y - draw(24, 28)
    distance = (off_x**2 + off_y**2).sqrt_().clamp_(min=1e-3)
    fading = (1 - distance / draw(44, 56)).clamp_(min=0)
    number = math.tau / draw(1.992, 2.008)
    wave = torch.sin(distance * number - draw(9.3, 10.7)) * fading * draw(2, 3.7, 0.95)
    return wave * off_x / distance, wave * off_y / distance


def _ripple(draw: Draw) -> tuple[Tensor, Tensor]:
    """Sine shifts of rows and columns on top of a small turn, shear and stretch."""
    down = draw(2.1, 3.1) * torch.sin((Y - 1) / draw(13.5, 16.5) + draw(-0.3, 0.3))
    across = draw(1.3, 2.1) * torch.sin((X - 2) / draw(4.7, 5.3) + draw(-0.5, 0.5))
    slow_x = draw(0, 1.5) * torch.sin(X * math.tau / draw(18, 60) + draw(0, math.tau))
    slow_y = draw(0, 1.5) * torch.sin(Y * math.tau / draw(18, 60) + draw(0, math.tau))
    off_x, off_y = X - WIDTH / 2, Y - HEIGHT / 2
    dx = draw(-0.05, 0.05) * off_x + slow_x + draw(-0.06, 0.06) * off_y + down + draw(-0.5, 0.5)
    dy = draw(-0.05, 0.05) * off_y + slow_y + draw(-0.01, 0.01) * off_x + across
    return dx, dy


def _bend(ink: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    batch = len(ink)
    shift = torch.stack([one.expand(batch, HEIGHT, WIDTH) for one in (dx, dy)], 3)
    return bend(ink[:, None], shift)[:, 0]


def _light_up(ink: Tensor, lines: Tensor, draw: Draw, generator: Random) -> Tensor:
    """Print ink and lines, from 0 to 1, on a background: uint8 (batch, 50, 200)."""
    left, right = draw(186, 198), draw(245, 258)
    ground = left + (right - left) * X / WIDTH + draw(2, 5) * (Y / HEIGHT - 0.5)
    black = draw(0, 4)
    pixels = (ground - black) * (1 - ink * draw(0.97, 1)) * (1 - lines) + black
    noise = generator.standard_normal(tuple(pixels.shape), dtype=np.float32)
    pixels = pixels + torch.from_numpy(noise) * draw(0, 3)
    return pixels.clamp_(0, 255).round_().to(torch.uint8)
