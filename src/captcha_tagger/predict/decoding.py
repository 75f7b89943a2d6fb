"""Encoded images from anyone -> pixels in a model's shape, by processes that do nothing else.

These processes have limits on memory and time. The process that runs the model could have no limit
on memory: nobody knows beforehand how much a model needs.
"""

import atexit
from collections.abc import Iterable, Iterator
from functools import cache, partial

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.pixels import Shape
from captcha_tagger.source.decoding import Pixels, decode
from captcha_tagger.source.decoding_process import DecodingProcesses

MAX_PIXELS = 20_000_000
MAX_SECONDS = 20  # for an image
PORTION_BYTES = 1_000_000  # that are sent at once, to which one image may be added


def decode_apart(
    images: Iterable[bytes | InputError], shape: Shape
) -> Iterator[Pixels | InputError]:
    """The pixels of each image, or why it cannot be used, which may be that it crashes its decoder.

    Errors among the images are passed on.
    """
    function = partial(_decode, shape=shape)
    for portion in _in_portions(images):
        yield from _get_processes().run_each(function, portion)


@cache
def _get_processes() -> DecodingProcesses:
    processes = DecodingProcesses(max_pixels=MAX_PIXELS, max_seconds=MAX_SECONDS)
    atexit.register(processes.close)
    return processes


def _in_portions(images: Iterable[bytes | InputError]) -> Iterator[list[bytes | InputError]]:
    portion, num_bytes = list[bytes | InputError](), 0
    for image in images:
        portion.append(image)
        num_bytes += len(image) if isinstance(image, bytes) else 0
        if num_bytes >= PORTION_BYTES:
            yield portion
            portion, num_bytes = [], 0
    if portion:
        yield portion


def _decode(image: bytes | InputError, shape: Shape) -> Pixels:
    if isinstance(image, InputError):
        raise image
    return decode(image, max_pixels=MAX_PIXELS, **shape._asdict())
