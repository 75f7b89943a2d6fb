"""A process of its own that decodes strangers' images, bounded in memory and in time.

A decoder that hangs in C cannot be stopped from Python, and one that crashes takes its process
along: so this one is killed, and another started.
"""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Self, TypeVar

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.processes import start_pool
from captcha_tagger.source.decoding import CRASH, bound_memory

Result = TypeVar("Result")


class DecodingProcess:
    """Runs one function of an image's bytes after the other; use as a context manager."""

    def __init__(self, *, max_pixels: int, max_seconds: float) -> None:
        self.max_pixels, self.max_seconds = max_pixels, max_seconds
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(
        self, function: Callable[[bytes], Result], data: bytes, end: float | None = None
    ) -> Result:
        """function(data), by the time `end` of the monotonic clock, or in `max_seconds`.

        InputError where the function raises it, takes longer, or brings its process down.
        """
        end = time.monotonic() + self.max_seconds if end is None else end
        try:
            task = self._pool.submit(_run, function, data, self.max_pixels)
            return task.result(timeout=max(0.0, end - time.monotonic()))
        except TimeoutError:
            reason = f"takes more than {self.max_seconds:g} seconds"
        except BrokenProcessPool:
            reason = CRASH
        self._stop()
        self._start()
        raise InputError(reason)

    def _start(self) -> None:
        self._pool: ProcessPoolExecutor = start_pool(1)
        self.pid = self._pool.submit(os.getpid).result()

    def _stop(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._pool.shutdown(wait=True, cancel_futures=True)


def _run(function: Callable[[bytes], Result], data: bytes, max_pixels: int) -> Result:
    with bound_memory(max_pixels):
        return function(data)
