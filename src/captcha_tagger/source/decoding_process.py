"""A process of its own that decodes strangers' images, bounded in memory and in time.

A decoder that hangs in C cannot be stopped from Python, and one that crashes takes its process
along: so this one is killed, and another started. It runs this module and not the caller's, unlike
those of multiprocessing: a served model is loaded by scripts that must not be run a second time.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import Self, TypeVar

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.processes import count_cores
from captcha_tagger.source.decoding import CRASH, bound_memory

Data = TypeVar("Data")
Result = TypeVar("Result")


class DecodingProcess:
    """Runs one function of images' bytes after the other; use as a context manager."""

    def __init__(self, *, max_pixels: int, max_seconds: float) -> None:
        self.max_pixels, self.max_seconds = max_pixels, max_seconds
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(
        self, function: Callable[[Data], Result], data: Data, end: float | None = None
    ) -> Result:
        """function(data), by the time `end` of the monotonic clock, or in `max_seconds`.

        InputError where the function raises it, takes longer, or brings its process down.
        """
        end = time.monotonic() + self.max_seconds if end is None else end
        is_in_step = False
        try:
            self._connection.send((function, data, self.max_pixels))
            if self._connection.poll(max(0.0, end - time.monotonic())):
                result: Result | Exception = self._connection.recv()
                is_in_step = True
            else:
                result = InputError(f"takes more than {self.max_seconds:g} seconds")
        except (EOFError, ConnectionError):
            result = InputError(CRASH)
        finally:
            if not is_in_step:  # what it still says would be taken for the next answer
                self._stop()
                self._start()
        if isinstance(result, Exception):
            raise result
        return result

    def _start(self) -> None:
        """Start it in a process group of its own, where it hears no Ctrl-C."""
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                process_group=0,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            )

    def _stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._connection.close()


class DecodingProcesses:
    """As many processes as run functions at once, one a core at most; each is kept for the next.

    They end with the process that they work for.
    """

    def __init__(self, *, max_pixels: int, max_seconds: float) -> None:
        self._start = partial(DecodingProcess, max_pixels=max_pixels, max_seconds=max_seconds)
        self._idle: list[DecodingProcess] = []
        self._turns = threading.Semaphore(count_cores())
        os.register_at_fork(after_in_child=self._idle.clear)  # two would read each other's images

    def run(self, function: Callable[[Data], Result], data: Data) -> Result:
        """As DecodingProcess.run, for any thread."""
        with self._turns:
            try:
                process = self._idle.pop()
            except IndexError:
                process = self._start()
            try:
                return process.run(function, data)
            finally:
                self._idle.append(process)


def _serve(connection: Connection) -> None:
    """Run functions of images until nobody is there to ask."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        while True:
            function, data, max_pixels = connection.recv()
            try:
                with bound_memory(max_pixels):
                    result = function(data)
            except Exception as error:
                result = error
            connection.send(result)


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
