"""Starts the other processes of a training: on this machine, or on the machines of a Ray cluster.

Each launcher has the address of this machine at which they reach this process.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Protocol

from captcha_tagger.base.work.processes import start_processes
from captcha_tagger.base.work.session import LOOPBACK, Session, Task, open_session
from captcha_tagger.engine.params import MOST_WORKERS

Work = Callable[..., None]


class Launcher(Protocol):
    """Starts processes that work with this one, and ends them."""

    address: str

    def room(self) -> int:
        """How many there is room for."""

    def launch(self, work: Work, arguments: Sequence[tuple[object, ...]]) -> None:
        """Start work(*one) in a process for each of the tuples."""

    def any_ended(self) -> bool:
        """Whether one has ended, of itself or with its machine."""

    def end(self) -> None:
        """End all that were started."""


class ProcessLauncher:
    """Processes of this machine, as many as are wanted."""

    address = LOOPBACK

    def __init__(self) -> None:
        self._processes: list[BaseProcess] = []

    def room(self) -> int:
        return MOST_WORKERS

    def launch(self, work: Work, arguments: Sequence[tuple[object, ...]]) -> None:
        self._processes = start_processes(work, arguments)

    def any_ended(self) -> bool:
        return any(process.exitcode is not None for process in self._processes)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()
        self._processes = []


class TaskLauncher:
    """Tasks of a Ray cluster, each with as many cores as torch has threads, or with a GPU."""

    def __init__(self, session: Session, threads: int) -> None:
        self._session, self._threads = session, threads
        self._tasks: list[Task] = []
        self.address = session.address

    def room(self) -> int:
        return len(self._session.list_places(self._threads))

    def launch(self, work: Work, arguments: Sequence[tuple[object, ...]]) -> None:
        places = self._session.list_places(self._threads)
        self._tasks = [
            self._session.start(place, self._threads, work, *words)
            for place, words in zip(places, arguments, strict=False)
        ]

    def any_ended(self) -> bool:
        return any(task.has_ended() for task in self._tasks)

    def end(self) -> None:
        for task in self._tasks:
            task.end()
        self._tasks = []


@contextmanager
def open_launcher(cluster: str | None, threads: int) -> Iterator[Launcher]:
    """The launcher for `compute.cluster`, and its Ray for as long as the block lasts."""
    if cluster is None:
        yield ProcessLauncher()
        return
    with open_session(cluster) as session:
        yield TaskLauncher(session, threads)
