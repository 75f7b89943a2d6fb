"""Bytes of one image file -> pixels in the model's shape.

Ingest and prediction share this module, so an image looks the same to both. It imports no torch.
"""

import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.processes import limit_memory
from captcha_tagger.source.workload import check_workload

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF")
WIDE_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
EXIF_KEYS = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}
WHITE = (255, 255, 255, 255)
CRASH = "damaged image: it crashes its decoder"
BASE_BYTES, BYTES_A_PIXEL = 1 << 29, 32  # at most; decoding a large image takes a third

Pixels = npt.NDArray[np.uint8]


class TooManyPixelsError(InputError):
    """The image is larger than its caller allows; who asks for it knows which limit to raise."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels (channels, height, width) and the size of the upright original."""

    pixels: Pixels
    width: int
    height: int


def decode(data: bytes, *, height: int, width: int, channels: int, max_pixels: int) -> Pixels:
    """Return uint8 pixels (channels, height, width), channels 1 (grey) or 3 (RGB).

    InputError says why the bytes are no image that can be used, TooManyPixelsError that it is
    larger than max_pixels.
    """
    return decode_sized(
        data, height=height, width=width, channels=channels, max_pixels=max_pixels
    ).pixels


def decode_sized(
    data: bytes, *, height: int, width: int, channels: int, max_pixels: int
) -> Decoded:
    """Do as `decode`, and keep the original's size, turned upright as its EXIF data say."""
    image = open_image(data, max_pixels)
    return Decoded(fit(image, height=height, width=width, channels=channels), *image.size)


def fit(image: Image.Image, *, height: int, width: int, channels: int) -> Pixels:
    """Pixels (channels, height, width) of an image that `open_image` returned."""
    flat = image.convert("L" if channels == 1 else "RGB")
    fitted = flat if flat.size == (width, height) else _fit(flat, width=width, height=height)
    pixels = np.asarray(fitted).reshape(height, width, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def bound_memory(max_pixels: int) -> AbstractContextManager[None]:
    """Let decoding images of so many pixels take no more memory than it may need."""
    return limit_memory(BASE_BYTES + BYTES_A_PIXEL * max_pixels)


def open_image(data: bytes, max_pixels: int) -> Image.Image:
    """An upright, opaque L, RGB or CMYK image; InputError says why the bytes are none."""
    if not data:
        raise InputError("empty file")
    try:
        return _flatten(_open_upright(data, max_pixels))
    except InputError:
        raise
    except MemoryError:
        raise InputError("needs more memory than there is") from None
    except Exception as error:  # Pillow's decoders raise almost anything on damaged data
        raise InputError(f"damaged image: {_describe(error)}") from None


def _open_upright(data: bytes, max_pixels: int) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which are not used
        check_workload(data, max_pixels)
        image = _open(data, max_pixels)
        num_pixels = image.width * image.height
        if num_pixels > max_pixels:
            raise TooManyPixelsError(
                f"{image.width}x{image.height} pixels are more than {max_pixels}"
            )
        image.load()
        return _turn(image)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    try:
        return Image.open(BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise TooManyPixelsError(f"its header claims more than {max_pixels} pixels") from None
    except UnidentifiedImageError:
        raise InputError(f"no {', '.join(FORMATS)} image, or its header is damaged") from None


def _turn(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF orientation says; unreadable EXIF data say nothing."""
    if image.format == "PNG" and image.info.keys().isdisjoint(EXIF_KEYS):
        return image  # without asking Pillow, which takes a tenth of an image's time
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # any error: the pixels are good without the metadata
        return image


def _flatten(image: Image.Image) -> Image.Image:
    """Bring every mode to an opaque L, RGB or CMYK: wide greys to 8 bits, transparency on white."""
    if image.mode in WIDE_MODES:
        return Image.fromarray(_narrow(np.asarray(image), image.info.get("transparency")))
    if image.mode == "F":
        raise InputError("floating-point pixels have no known white; save it with 8 or 16 bits")
    if not image.has_transparency_data:
        return image
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    if image.getchannel("A").getextrema() == (255, 255):
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image)


def _narrow(wide: npt.NDArray[np.generic], transparent: int | None) -> Pixels:
    """Scale 16-bit grey to 8 bits, the one transparent grey of a PNG to white.

    32-bit files are taken when their values fit 16 bits.
    """
    if wide.itemsize > 2 and (wide.min() < 0 or wide.max() > 65535):
        raise InputError("32-bit pixels have no known white; save it with 8 or 16 bits")
    narrow = ((wide.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return narrow if transparent is None else np.where(wide == transparent, 255, narrow)


def _fit(image: Image.Image, *, width: int, height: int) -> Image.Image:
    """Scale to the largest size that fits, centred; the rest gets the border's median colour."""
    scale = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    scaled = image.resize(size, Image.Resampling.BILINEAR)
    fitted = Image.new(image.mode, (width, height), _border_color(scaled))
    fitted.paste(scaled, ((width - size[0]) // 2, (height - size[1]) // 2))
    return fitted


def _border_color(image: Image.Image) -> tuple[int, ...]:
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(int(value) for value in np.median(border, axis=0))


def _describe(error: Exception) -> str:
    """Return the error's text in one line; a decoder's may hold an address, which would vary."""
    text = " ".join(str(error).split())
    return type(error).__name__ if not text or " at 0x" in text else text
