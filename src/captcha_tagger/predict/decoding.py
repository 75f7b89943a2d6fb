"""Encoded images of strangers -> pixels in a model's shape, by processes that do nothing else.

What decoding takes is bounded there, which it could not be beside torch: how much a model needs
nobody knows beforehand.
"""

from collections.abc import Sequence
from functools import partial

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.pixels import Shape
from captcha_tagger.source.decoding import Pixels, decode
from captcha_tagger.source.decoding_process import DecodingProcesses

MAX_PIXELS = 20_000_000
MAX_SECONDS = 60  # for what is decoded in one go

_processes = DecodingProcesses(max_pixels=MAX_PIXELS, max_seconds=MAX_SECONDS)


def decode_apart(images: Sequence[bytes], shape: Shape) -> list[Pixels | InputError]:
    """The pixels of each image, or why it cannot be used: it may crash its decoder, too."""
    try:
        return _processes.run(partial(_decode_each, shape=shape), images)
    except InputError as error:  # one of them ended the process
        if len(images) == 1:
            return [error]
        return [decoded for image in images for decoded in decode_apart([image], shape)]


def _decode_each(images: Sequence[bytes], shape: Shape) -> list[Pixels | InputError]:
    return [_decode(image, shape) for image in images]


def _decode(image: bytes, shape: Shape) -> Pixels | InputError:
    try:
        return decode(image, max_pixels=MAX_PIXELS, **shape._asdict())
    except InputError as error:
        return error
