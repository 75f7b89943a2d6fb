"""Seeded captchas in the shape of the Kaggle set: a text and a generator -> grey pixels (50, 200).

The look was measured on real images: two bold sans faces mixed, whose characters stand as close
as their ink allows, a radial wave of two pixels' length that tears the middle apart, a sine ripple
over everything, then two thinning curves on top and a round of JPEG.
"""

import importlib.util
import io
import itertools
import math
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import atomic_folder

HEIGHT, WIDTH = 50, 200  # pixels
FONT_SIZE = 40
FACES = (("DejaVuSansMono-Bold", 1.0), ("DejaVuSans-Bold", 0.85))  # and how far they are stretched
GAP = 2  # pixels between the ink widths of neighbours
TEXT_LEFT, BASELINE = 30, 43
LONGEST_TEXT = 145  # pixels; longer texts are drawn smaller
CENTRE_X, CENTRE_Y, RADIUS = 102, 26, 50  # of the radial wave
DARK, LIGHT = 192, 255  # the background's corners
JPEG_QUALITY = 75
HOOK, CROSSING = (0.1, 0.1, 0.25, 0.25), (0.1, 0.25, 0.5, 0.9)  # x of the curves' control points
STROKES = (3.6, 2.7, 1.8)  # widths of a curve's first pieces; the last one stays
FLATNESS = 2.0  # pixels by which a piece may miss its curve
OVERSAMPLING = 4

Pixels = NDArray[np.uint8]
Floats = NDArray[np.floating]
Point = tuple[float, float]
Warp = Callable[[Floats, Floats], tuple[Floats, Floats]]


def write_samples(folder: Path, images: int, characters: str, length: int, seed: int) -> None:
    """Write `images` PNG files named after their distinct texts; the same seed, the same bytes."""
    texts = draw_texts(images, characters, length, seed)
    with atomic_folder(folder) as beside:
        for row, text in enumerate(texts):
            pixels = draw_captcha(text, np.random.default_rng((seed, row)))
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


def draw_captcha(text: str, generator: np.random.Generator) -> Pixels:
    """Draw one captcha as the Kaggle set has them: uint8 (50, 200)."""
    ink = _resample(_resample(_write(text, generator), _radial_wave), _ripple)
    lines = draw_lines([curve_points(generator, HOOK), curve_points(generator, CROSSING)])
    light = _background() * (1 - ink) * (1 - lines.astype(np.float32) / 255)
    return _compress(np.rint(light).astype(np.uint8))


def face_path(name: str) -> Path:
    """Where matplotlib keeps the DejaVu face `name`, found without importing matplotlib."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise InputError("matplotlib: not installed; run make setup")
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"


@cache
def load_face(name: str, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(face_path(name), size, layout_engine=ImageFont.Layout.BASIC)


def curve_points(generator: np.random.Generator, shares: Sequence[float]) -> list[Point]:
    """Draw a cubic curve of random heights through x = share * width, as a polyline in pixels."""
    heights = generator.random(4)
    curve = [(share * WIDTH, float(y) * HEIGHT) for share, y in zip(shares, heights, strict=True)]
    return [curve[0], *_flatten(curve)]


def draw_lines(polylines: Sequence[Sequence[Point]], strokes: Sequence[float] = STROKES) -> Pixels:
    """Ink of antialiased polylines: uint8 (50, 200), 255 where covered.

    `strokes` are the widths in pixels of a polyline's first pieces; the last one stays.
    """
    canvas = Image.new("L", (WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING))
    draw = ImageDraw.Draw(canvas)
    for points in polylines:
        for piece, ends in enumerate(itertools.pairwise(points)):
            draw.polygon(_stroke(*ends, strokes[min(piece, len(strokes) - 1)]), fill=255)
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


def _write(text: str, generator: np.random.Generator) -> Floats:
    """Ink of the undistorted text, each character in a face of its own: float32 (50, 200)."""
    faces = [FACES[choice] for choice in generator.integers(len(FACES), size=len(text))]
    length = sum(_advance(_glyph(*pair, FONT_SIZE), 1) for pair in zip(text, faces, strict=True))
    share = min(1.0, LONGEST_TEXT / length)
    canvas = Image.new("L", (WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING))
    left = float(TEXT_LEFT)
    for character, face in zip(text, faces, strict=True):
        glyph = _glyph(character, face, FONT_SIZE * share)
        corner = round(left * OVERSAMPLING) + glyph.left, BASELINE * OVERSAMPLING + glyph.top
        canvas.paste(255, corner, glyph.ink)
        left += _advance(glyph, share)
    return np.asarray(canvas.reduce(OVERSAMPLING), dtype=np.float32) / 255


def _advance(glyph: "Glyph", share: float) -> float:
    """Pixels from a character to the next."""
    return glyph.ink.width / OVERSAMPLING + GAP * share


class Glyph(NamedTuple):
    ink: Image.Image  # oversampled
    left: int  # oversampled pixels from the pen to the ink
    top: int  # and from the baseline


@cache
def _glyph(character: str, face: tuple[str, float], size: float) -> Glyph:
    name, stretch = face
    font = load_face(name, size * OVERSAMPLING)
    left, top, right, bottom = font.getbbox(character, anchor="ls")
    canvas = Image.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(canvas).text((-left, -top), character, font=font, fill=255, anchor="ls")
    first, upper, last, lower = canvas.getbbox() or (0, 0, *canvas.size)
    width = round((last - first) * stretch)
    ink = canvas.crop((first, upper, last, lower)).resize((width, lower - upper))
    return Glyph(ink, round((left + first) * stretch), int(top) + upper)


def _radial_wave(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Where each pixel comes from; a wavelength of two pixels aliases into the torn look."""
    dx, dy = x - CENTRE_X, y - CENTRE_Y
    distance = np.maximum(np.hypot(dx, dy), 1e-3)
    amplitude = 3 * np.sin(np.pi * distance - 10) * np.clip(1 - distance / RADIUS, 0, 1)
    return x + dx / distance * amplitude, y + dy / distance * amplitude


def _ripple(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    return x + 2.6 * np.sin((y - 1) / 15), y + 1.7 * np.sin((x - 2) / 5)


def _resample(ink: Floats, warp: Warp) -> Floats:
    """Take every pixel from where `warp` says, bilinearly."""
    sources, weights = _taps(warp)
    taken: Floats = (ink.ravel()[sources] * weights).sum(0)
    return taken.reshape(HEIGHT, WIDTH)


@cache
def _taps(warp: Warp) -> tuple[NDArray[np.intp], Floats]:
    """The four source pixels of every pixel and their weights: (4, 50 * 200) each."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    x, y = warp(columns, rows)
    x, y = np.clip(x, 0, WIDTH - 1.001).ravel(), np.clip(y, 0, HEIGHT - 1.001).ravel()
    column, row = x.astype(np.intp), y.astype(np.intp)
    right, below = x - column, y - row
    corner = row * WIDTH + column
    sources = np.stack([corner, corner + 1, corner + WIDTH, corner + WIDTH + 1])
    weights = np.stack(
        [(1 - right) * (1 - below), right * (1 - below), (1 - right) * below, right * below]
    )
    return sources, weights.astype(np.float32)


@cache
def _background() -> Floats:
    """A gradient along the diagonal from dark to light."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    along = (columns * WIDTH + rows * HEIGHT) / (WIDTH**2 + HEIGHT**2)
    light: Floats = (DARK + (LIGHT - DARK) * along).astype(np.float32)
    return light


def _compress(pixels: Pixels) -> Pixels:
    """Through JPEG and back, whose blocks the real images show."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(file))
