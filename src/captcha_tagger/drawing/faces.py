"""Characters of many faces as ink: small bitmaps, drawn once and kept.

A face's file, a character, a size in pixels and a style -> ink without margins.
"""

import importlib.util
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from captcha_tagger.base.errors import InputError

Style = Literal["plain", "bold", "thin", "outline"]

MATPLOTLIBS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique", "DejaVuSans-Oblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold",
    "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic",
    "cmb10", "cmr10", "cmss10", "cmtt10",
)  # fmt: skip
SIZES = (20, 28, 40, 56, 80)  # pixels; characters are scaled down from the next size up
MEASURED_SIZE = 56


def matplotlib_faces() -> tuple[Path, ...]:
    """The faces that come with matplotlib, which need no download."""
    return tuple(matplotlib_face(name) for name in MATPLOTLIBS)


def matplotlib_face(name: str) -> Path:
    """Where matplotlib keeps a face, found without importing it."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise InputError("matplotlib: not installed; run make setup")
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"


def next_size(pixels: float) -> int:
    """The smallest size that is kept and no smaller, else the largest."""
    return next((size for size in SIZES if size >= pixels), SIZES[-1])


@lru_cache(maxsize=60_000)
def draw_glyph(face: Path, character: str, size: int, style: Style) -> Image.Image:
    """The ink of one character, L, cropped to it."""
    font = load_face(face, size)
    left, top, right, bottom = font.getbbox(character, anchor="ls", stroke_width=2)
    canvas = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    pen, place = ImageDraw.Draw(canvas), (1 - left, 1 - top)
    stroke = (1 if size < 40 else 2) if style in ("bold", "outline") else 0
    pen.text(place, character, font=font, fill=255, anchor="ls", stroke_width=stroke)
    if style == "outline":
        pen.text(place, character, font=font, fill=0, anchor="ls")
    if style == "thin" and size >= 40:
        canvas = canvas.filter(ImageFilter.MinFilter(3))
    box = canvas.getbbox()
    if box is None and style == "plain":
        raise InputError(f"{face}: has no ink for {character!r}; leave the face out")
    return canvas.crop(box) if box else draw_glyph(face, character, size, "plain")


@lru_cache(maxsize=20_000)
def measure_middle(face: Path, character: str) -> float:
    """How far below the baseline the middle of the ink lies, in sizes of the face."""
    _, top, _, bottom = load_face(face, MEASURED_SIZE).getbbox(character, anchor="ls")
    return (top + bottom) / 2 / MEASURED_SIZE


@cache
def load_face(face: Path, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(face, size, layout_engine=ImageFont.Layout.BASIC)
