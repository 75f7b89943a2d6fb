"""Torch's work on several threads, each of which computes a piece of its own alone.

Torch's own threads wait for each other at every layer, so that one busy core holds them all up: a
step of two threads took five times as long beside one busy process. These wait for each other once
per piece; which thread computes a piece changes no bit of it.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def start_threads(number: int, torch_threads: int = 1) -> ThreadPoolExecutor:
    """A pool of `number` threads, each of which lets torch use `torch_threads`."""
    return ThreadPoolExecutor(number, initializer=torch.set_num_threads, initargs=(torch_threads,))


def map_on_threads(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Generator[Result]:
    """function(item) for each item, in order, on so many threads; one is the calling thread."""
    if threads == 1:
        yield from map(function, items)
        return
    pool = start_threads(threads)
    ahead: deque[Future[Result]] = deque()
    try:
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on the calling thread alone.

    Two threads answer an image in 1.2 ms instead of 1.5 on idle cores, but took up to a hundred
    times as long where others computed.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
