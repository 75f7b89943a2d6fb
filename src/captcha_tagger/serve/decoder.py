"""Decoding of strangers' images in a process of its own, which ends when it takes too long.

Bytes -> pixels in the model's shape. A decoder that hangs in C cannot be stopped from Python, and
one that crashes takes its process along: so this one is killed, and another started.
"""

import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.processes import start_pool
from captcha_tagger.data.pixels import Pixels, Shape
from captcha_tagger.source.decoding import CRASH, bound_memory, decode


class BusyError(RuntimeError):
    """Others have kept the decoder for so long that it never came to these images."""


class Decoder:
    """Decodes one request's images after the other's; use as a context manager."""

    def __init__(self, shape: Shape, *, max_pixels: int, max_seconds: float) -> None:
        self._shape, self._max_pixels, self._max_seconds = shape, max_pixels, max_seconds
        self._turn = threading.Lock()
        self._start()

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def decode(self, images: Sequence[bytes]) -> list[Pixels]:
        """The pixels of each; InputError says which of several cannot be used, and why.

        All of them together may take `max_seconds`. BusyError after as long a wait for others.
        """
        if not self._turn.acquire(timeout=self._max_seconds):
            raise BusyError
        try:
            end = time.monotonic() + self._max_seconds
            return [
                self._decode(f"image {number}: " if len(images) > 1 else "", data, end)
                for number, data in enumerate(images)
            ]
        finally:
            self._turn.release()

    def _decode(self, name: str, data: bytes, end: float) -> Pixels:
        try:
            task = self._pool.submit(_decode, data, self._shape, self._max_pixels)
            return task.result(timeout=max(0.0, end - time.monotonic()))
        except InputError as error:
            raise InputError(f"{name}{error}") from None
        except TimeoutError:
            reason = f"takes more than {self._max_seconds:g} seconds"
        except BrokenProcessPool:
            reason = CRASH
        self._stop()
        self._start()
        raise InputError(f"{name}{reason}")

    def _start(self) -> None:
        self._pool: ProcessPoolExecutor = start_pool(1)
        self._pid = self._pool.submit(os.getpid).result()

    def _stop(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._pool.shutdown(wait=True, cancel_futures=True)


def _decode(data: bytes, shape: Shape, max_pixels: int) -> Pixels:
    with bound_memory(max_pixels):
        return decode(data, max_pixels=max_pixels, **shape._asdict())
