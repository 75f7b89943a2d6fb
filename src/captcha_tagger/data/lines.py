"""Files of JSON lines that are too many to keep: line i is parsed whenever it is asked for."""

import mmap
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TypeVar, overload

import numpy as np

Item = TypeVar("Item")


class Lines(Sequence[Item]):
    """The items of such a file; memory holds where each line ends, eight bytes.

    `parse` makes an item of a line and of its place in words, and raises InputError.
    """

    def __init__(self, path: Path, parse: Callable[[bytes, str], Item]) -> None:
        self._path, self._parse = path, parse
        with path.open("rb") as file:
            self._ends = np.fromiter(accumulate(map(len, file)), np.int64)
            is_empty = not len(self._ends)  # that cannot be mapped
            self._text = b"" if is_empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        found = range(len(self))[index]
        return self._read(found) if isinstance(found, int) else [*map(self._read, found)]

    def _read(self, number: int) -> Item:
        start = self._ends[number - 1] if number else 0
        line = self._text[start : self._ends[number]]
        return self._parse(line, f"{self._path}:{number + 1}")
