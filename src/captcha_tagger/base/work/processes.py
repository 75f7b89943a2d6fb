"""A map over batches on several processes: results in order, memory bounded, crashes survived.

Processes rather than threads: Pillow leaves the interpreter lock only inside its decoders, so that
two threads ran Kaggle images on 1.5 cores at 310 µs of CPU each, two processes on 2 cores.
"""

import multiprocessing
import os
import resource
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import chain, islice
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import TypeVar

LOWEST_PRIORITY = 19

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def step_back(pid: int) -> None:
    """Give a process the lowest priority, and with it the session that it leads, if it leads one.

    Where Linux groups processes by session (autogroup), niceness counts inside the group alone, and
    the group has a niceness of its own. Source: the manual page sched(7).
    """
    os.setpriority(os.PRIO_PROCESS, pid, LOWEST_PRIORITY)
    if os.getsid(pid) != pid:
        return  # of others: a terminal and all that runs there
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(LOWEST_PRIORITY), encoding="ascii")


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in order, so many at a time."""
    waiting = iter(items)
    while batch := list(islice(waiting, size)):
        yield batch


def map_batches(
    function: Callable[[Sequence[Item]], Result],
    batches: Iterable[Sequence[Item]],
    *,
    processes: int,
    on_crash: Callable[[Item], Result],
) -> Iterator[Result]:
    """Yield function(batch) for each batch, in order, on so many processes (1: on this one).

    Where a process dies over a batch, the results are those of smaller batches of the same items,
    and on_crash(item) for the item that kills. ChildProcessError where none can be started.
    """
    if processes == 1:
        yield from map(function, batches)
        return
    waiting = iter(batches)
    while True:
        unfinished: deque[Sequence[Item]] = deque()
        try:
            with start_pool(processes) as pool:
                try:
                    yield from _map(pool, function, waiting, unfinished, ahead=2 * processes)
                finally:
                    pool.shutdown(cancel_futures=True)
            return
        except BrokenProcessPool:
            _try_to_start()
            for batch in unfinished:
                yield from _bisect(function, batch, on_crash)


def _map(
    pool: ProcessPoolExecutor,
    function: Callable[[Sequence[Item]], Result],
    batches: Iterator[Sequence[Item]],
    unfinished: deque[Sequence[Item]],
    ahead: int,
) -> Iterator[Result]:
    futures: deque[Future[Result]] = deque()
    for batch in chain(batches, [None] * ahead):
        if batch is not None:
            unfinished.append(batch)
            futures.append(pool.submit(function, batch))
        if futures and (batch is None or len(futures) > ahead):
            result = futures.popleft().result()
            unfinished.popleft()
            yield result


def _try_to_start() -> None:
    try:
        with start_pool(1) as pool:
            pool.submit(os.getpid).result()
    except BrokenProcessPool:
        raise ChildProcessError(
            "no process can be started; does the script ask whether it is __main__?"
        ) from None


def _bisect(
    function: Callable[[Sequence[Item]], Result],
    batch: Sequence[Item],
    on_crash: Callable[[Item], Result],
) -> Iterator[Result]:
    """Run a batch that may have killed its process; split it until only the killer is left out."""
    try:
        with start_pool(1) as pool:
            result = pool.submit(function, batch).result()
    except BrokenProcessPool:
        if len(batch) == 1:
            yield on_crash(batch[0])
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            yield from _bisect(function, half, on_crash)
    else:
        yield result


def start_pool(processes: int) -> ProcessPoolExecutor:
    """Start so many processes that end with this one."""
    # Spawned, since a fork would copy the threads' locks along with the memory.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_obey_parent)
    with _hold_ctrl_c():
        for _ in range(processes):
            pool.submit(os.getpid)  # while no process is idle, each task starts one
    return pool


def start_processes(
    function: Callable[..., None], arguments: Iterable[tuple[object, ...]]
) -> list[BaseProcess]:
    """Start a process for each tuple of arguments; they end with this one."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_run, args=(function, *words)) for words in arguments]
    with _hold_ctrl_c():
        for process in processes:
            process.start()
    return list(processes)


@contextmanager
def _hold_ctrl_c() -> Iterator[None]:
    """Let a Ctrl-C wait until the block ends; the processes that it starts never hear one.

    They inherit the mask. What else runs here may still be sent the signal, and Python then
    interrupts the main thread.
    """
    held: list[int] = []
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if before is not None:
            signal.signal(signal.SIGINT, before)
        if held:
            signal.raise_signal(signal.SIGINT)


def _run(function: Callable[..., None], *arguments: object) -> None:
    _obey_parent()
    function(*arguments)


def _obey_parent() -> None:
    """Let no process outlive a parent that was killed."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def limit_memory(num_bytes: int) -> Iterator[None]:
    """Let this process take so many bytes more than it has; beyond them allocations fail.

    A last line of defence, on Linux alone: elsewhere nobody says how much a process has.
    """
    status = Path("/proc/self/statm")
    if not status.exists():
        yield
        return
    data_pages = int(status.read_text().split()[5])
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = data_pages * resource.getpagesize() + num_bytes
    limits = [limit for limit in (wanted, soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def limit_seconds(seconds: float) -> Iterator[None]:
    """TimeoutError when the block computes for longer; for a main thread alone.

    Counts the processor's time, which does not depend on what else the machine does. It ends loops
    of Python and of its regular expressions, not those inside of a decoder.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
