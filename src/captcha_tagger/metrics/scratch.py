"""Large arrays for the work at hand alone, in files without a name instead of in memory.

The system writes them to the disk when it wants their memory, and frees the disk with the array.
"""

import math
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Allocate = Callable[[tuple[int, ...], DTypeLike], NDArray[Any]]  # as np.empty does it


def allocate_in(folder: Path) -> Allocate:
    """What makes such arrays on the folder's disk."""
    return partial(_allocate, folder)


def _allocate(folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not size:  # that cannot be mapped
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):  # else a full disk ends the process later
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return np.asarray(np.memmap(file, dtype, "r+", shape=shape))


def fill(array: NDArray[Any], values: Iterable[Any]) -> NDArray[Any]:
    """The array (n,), filled with the values one by one."""
    for number, value in enumerate(values):
        array[number] = value
    return array


def join(array: NDArray[Any], parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """The array (n,), filled with the parts one after another."""
    start = 0
    for part in parts:
        array[start : start + len(part)] = part
        start += len(part)
    return array


def blocks(length: int, size: int) -> list[slice]:
    """Consecutive slices of so many, and one of what is left."""
    return [slice(start, start + size) for start in range(0, length, size)]
