"""Decoding for many who ask at once: their images take turns in one process.

Bytes -> pixels in the model's shape.
"""

import threading
import time
from collections.abc import Sequence
from functools import partial

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.pixels import Pixels, Shape
from captcha_tagger.source.decoding import decode
from captcha_tagger.source.decoding_process import DecodingProcess


class BusyError(RuntimeError):
    """Others have kept the decoder for so long that it never came to these images."""


class Decoder:
    """Decodes one request's images after the other's."""

    def __init__(self, shape: Shape, process: DecodingProcess) -> None:
        self._process = process
        self._decode = partial(decode, max_pixels=process.max_pixels, **shape._asdict())
        self._turn = threading.Lock()

    def decode(self, images: Sequence[bytes]) -> list[Pixels]:
        """The pixels of each; InputError says which of several cannot be used, and why.

        All of them together may take `max_seconds`. BusyError after as long a wait for others.
        """
        if not self._turn.acquire(timeout=self._process.max_seconds):
            raise BusyError
        try:
            end = time.monotonic() + self._process.max_seconds
            return [
                self._decode_one(f"image {number}: " if len(images) > 1 else "", data, end)
                for number, data in enumerate(images)
            ]
        finally:
            self._turn.release()

    def _decode_one(self, name: str, data: bytes, end: float) -> Pixels:
        try:
            return self._process.run(self._decode, data, end)
        except InputError as error:
            raise InputError(f"{name}{error}") from None
