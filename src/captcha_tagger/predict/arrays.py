"""Arrays of any usual image type -> encoded images, which are then treated like files."""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captcha_tagger.base.errors import InputError

COLUMN = "image"  # of a table that asks the served model


def encode(array: NDArray[Any]) -> bytes:
    """An array (height, width) or (height, width, channels) as PNG.

    Integers up to 255 are 8 bits deep, above that 16 bits. InputError says why it is no image.
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] > 4):
        raise InputError(f"an array of shape {array.shape} is no (height, width[, channels])")
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"an array of {array.dtype} has no known white; give integers")
    low, high = int(array.min()), int(array.max())
    deep = array.dtype == np.uint16 or high > 255
    if low < 0 or high > 65535 or (deep and array.ndim == 3):
        raise InputError(f"an array with values from {low} to {high} is no image")
    buffer = BytesIO()
    image = Image.fromarray(array.astype(np.uint16 if deep else np.uint8))
    image.save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()
