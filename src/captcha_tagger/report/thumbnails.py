"""Images and evidence maps small enough to travel inside one page.

Pixels -> WebP data URIs; evidence -> one deflated block that the page's script unpacks.
"""

import base64
import io
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captcha_tagger.data.pixels import Pixels

# On the Kaggle set 1.9 kB an image instead of PNG's 4.7, with no difference to be seen.
WEBP_QUALITY = 80
LONGEST_SIDE = 480  # pixels; as wide as a card
LEVELS = 15  # of evidence; a smooth, translucent overlay shows no more


def encode_image(pixels: Pixels) -> str:
    """One image (channels, height, width), no longer than a card is wide, as a data URI."""
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=WEBP_QUALITY, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def pack_evidence(evidence: NDArray[np.float16]) -> str:
    """Maps (..., rows, columns) in 0..1 as base64 of deflated bytes, in C order.

    A byte is the share of its own map's peak, times LEVELS.
    """
    maps = evidence.astype(np.float32)
    peaks = maps.max((-2, -1), keepdims=True)
    levels = np.rint(maps / np.maximum(peaks, np.finfo(np.float32).tiny) * LEVELS)
    return base64.b64encode(zlib.compress(levels.astype(np.uint8).tobytes(), 6)).decode()
