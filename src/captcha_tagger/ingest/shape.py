"""The shape in which a set's images are kept, chosen from a sample of them.

Some files and the params of ingest -> Sights -> Shape, so that characters have about the size that
the pretraining drew them in, whatever the size of the originals.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.pixels import Shape
from captcha_tagger.ingest.names import read_texts
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.verdicts import Reject
from captcha_tagger.source.decoding import bound_memory, open_image
from captcha_tagger.source.limits import Found

SAMPLED = 400  # files
LOWEST, HIGHEST = 50, 128  # pixels; the head's kernel spans the rows of 50
NARROWEST, WIDEST = 64, 384
COLUMNS_A_CHARACTER = 36  # pixels from one character to the next, in the middle of what was drawn
ROOM_A_CHARACTER = 16  # pixels; a text head needs a position and a blank for each character
OUTLIER = 2  # times the median length, which a text seldom has
FEWEST = 20  # images that say which size suits them
STEPS, LEAST_STEP = (1.5, 2.0, 3.0), 1.2  # by how much larger shapes are larger
HIGHEST_GROWN = 256
COLOURED = 24  # of 255, between the highest and the lowest channel: more than JPEG leaves on grey
COLOURED_AREA, COLOURED_IMAGES = 0.01, 0.05  # shares


class Sight(NamedTuple):
    """What one image shows: its upright size, how long its text is, whether it has colour."""

    width: int
    height: int
    length: int
    coloured: bool


def look_at(files: Iterable[Found], params: Ingest) -> list[Sight]:
    """What the files show, as far as the params ask for it; nothing of what ingest will reject."""
    if "auto" not in (params.height, params.width, params.color):
        return []
    return [sight for found in files if (sight := _look_at(found, params))]


def choose_shape(sights: Sequence[Sight], params: Ingest) -> Shape:
    """What params say, and for each `auto` what suits most of the files."""
    height, width = _choose_size(params, sights)
    return Shape(3 if _choose_colour(params, sights) else 1, height, width)


def larger_shapes(shape: Shape, sights: Sequence[Sight], params: Ingest) -> list[Shape]:
    """Shapes of the same aspect, up to the median size of the originals, where params allow it.

    Characters that stand far apart are too small at the size that their distance suggests.
    """
    if (params.height, params.width) != ("auto", "auto") or len(sights) < FEWEST:
        return []
    original = statistics.median([sight.height for sight in sights])
    most = min(min(original, HIGHEST_GROWN) / shape.height, WIDEST / shape.width)
    if most < LEAST_STEP:
        return []
    steps = [step for step in STEPS if step < most / LEAST_STEP]
    return [
        Shape(shape.channels, round(step * shape.height), round(step * shape.width))
        for step in (*steps, most)
    ]


def find_widest_text(shape: Shape, sights: Sequence[Sight], params: Ingest) -> int | None:
    """The length of a text much longer than most, where it alone chose the images' width."""
    lengths = [sight.length for sight in sights]
    if params.width != "auto" or shape.width != ROOM_A_CHARACTER * max(lengths, default=0):
        return None
    return max(lengths) if max(lengths) > OUTLIER * statistics.median(lengths) else None


def describe_shape(shape: Shape) -> str:
    colour = "in colour" if shape.channels == 3 else "in grey"
    return f"images are kept {colour} at {shape.width}x{shape.height} pixels"


def _choose_colour(params: Ingest, sights: Sequence[Sight]) -> bool:
    if params.color != "auto":
        return params.color == "rgb"
    coloured = sum(sight.coloured for sight in sights)
    return coloured > COLOURED_IMAGES * len(sights)


def _choose_size(params: Ingest, sights: Sequence[Sight]) -> tuple[int, int]:
    """Height and width: what is given stays, the rest follows from the median aspect and length."""
    aspect = statistics.median([sight.width / sight.height for sight in sights] or [4.0])
    length = statistics.median([sight.length for sight in sights] or [5])
    longest = max([sight.length for sight in sights], default=0)
    if params.height != "auto":
        height = params.height
    else:
        wanted = COLUMNS_A_CHARACTER * length if params.width == "auto" else params.width
        height = min(HIGHEST, max(LOWEST, round(wanted / aspect)))
    if params.width != "auto":
        return height, params.width
    least = max(NARROWEST, ROOM_A_CHARACTER * longest)
    return height, max(least, min(WIDEST, round(height * aspect)))


def open_labelled(found: Found, params: Ingest) -> tuple[str, Image.Image] | None:
    """The text of a file and its upright image; None of one that ingest will reject."""
    (text,) = read_texts([found], params)
    if isinstance(text, Reject):
        return None
    try:
        with bound_memory(params.max_image_pixels):
            return text, open_image(found.data, params.max_image_pixels)
    except InputError:
        return None


def _look_at(found: Found, params: Ingest) -> Sight | None:
    opened = open_labelled(found, params)
    if opened is None:
        return None
    text, image = opened
    return Sight(image.width, image.height, len(text), _is_coloured(image))


def _is_coloured(image: Image.Image) -> bool:
    """Whether more of the image than stray pixels differs from grey."""
    channels = np.asarray(image.convert("RGB"))
    spread = channels.max(2).astype(np.int16) - channels.min(2)
    return float((spread > COLOURED).mean()) > COLOURED_AREA
