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
from collections.abc import Callable, Iterator, Sequence
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
    """Runs a function of images' bytes, one after the other; use as a context manager."""

    def __init__(self, *, max_pixels: int, max_seconds: float) -> None:
        self.max_pixels, self.max_seconds = max_pixels, max_seconds
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(
        self, function: Callable[[Data], Result], data: Data, end: float | None = None
    ) -> Result:
        """function(data), by the time `end` of the monotonic clock, or in `max_seconds`.

        InputError where the function raises it, takes longer, or brings its process down.
        """
        (result,) = self.run_each(function, [data], end)
        if isinstance(result, InputError):
            raise result
        return result

    def run_each(
        self, function: Callable[[Data], Result], items: Sequence[Data], end: float | None = None
    ) -> Iterator[Result | InputError]:
        """As run for each item, told of them all at once; errors among the results."""
        left = list(items)
        while left:
            if not self._is_in_step or self._process.poll() is not None:
                self.stop()
                self._start()
            for result in self._ask(function, left, end):
                left.pop(0)
                yield result

    def _ask(
        self, function: Callable[[Data], Result], items: list[Data], end: float | None
    ) -> Iterator[Result | InputError]:
        """The results up to an item that takes too long or brings the process down, that one's
        error included."""
        self._is_in_step = False  # what it still says would be taken for the next answer
        try:
            self._connection.send((function, items, self.max_pixels))
            for _ in tuple(items):
                until = time.monotonic() + self.max_seconds if end is None else end
                if not self._connection.poll(max(0.0, until - time.monotonic())):
                    yield InputError(f"takes more than {self.max_seconds:g} seconds")
                    return
                result: Result | Exception = self._connection.recv()
                if isinstance(result, Exception) and not isinstance(result, InputError):
                    raise result
                yield result
            self._is_in_step = True
        except (EOFError, ConnectionError):
            yield InputError(CRASH)
        finally:
            if not self._is_in_step:
                self.stop()

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
        try:
            self._connection.recv()
        except (EOFError, ConnectionError):
            raise ChildProcessError("the process that decodes images does not start") from None
        self._is_in_step = True

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._connection.close()


class DecodingProcesses:
    """As many processes as are asked at once, one a core at most; each is kept for the next.

    They end with the block of this context manager, or the process that has it.
    """

    def __init__(self, *, max_pixels: int, max_seconds: float) -> None:
        self._start = partial(DecodingProcess, max_pixels=max_pixels, max_seconds=max_seconds)
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End those that are idle; those of the process that this one was forked from go on."""
        while self._idle and self._owner == os.getpid():
            self._idle.pop().stop()

    def run_each(
        self, function: Callable[[Data], Result], items: Sequence[Data]
    ) -> list[Result | InputError]:
        """As DecodingProcess.run_each, for any thread."""
        if self._owner != os.getpid():  # after a fork; two would read each other's images
            self._begin()
        with self._turns:
            try:
                process = self._idle.pop()
            except IndexError:
                process = self._start()
            try:
                return list(process.run_each(function, items))
            finally:
                self._idle.append(process)

    def _begin(self) -> None:
        self._owner, self._turns = os.getpid(), threading.Semaphore(count_cores())
        self._idle = list[DecodingProcess]()


def _serve(connection: Connection) -> None:
    """Run functions of images until nobody is there to ask."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        connection.send("ready")
        while True:
            function, items, max_pixels = connection.recv()
            for item in items:
                try:
                    with bound_memory(max_pixels):
                        result = function(item)
                except Exception as error:
                    result = error
                connection.send(result)


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
