"""Files of JSON lines that are too many to keep: line i is parsed whenever it is asked for."""

import mmap
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar, overload

STEP = 8

Item = TypeVar("Item")


class Lines(Sequence[Item]):
    """The items of such a file; memory holds where every eighth line starts, a byte a line.

    `parse` makes an item of a line and of its place in words, and raises InputError.
    """

    def __init__(self, path: Path, parse: Callable[[bytes, str], Item]) -> None:
        self._path, self._parse = path, parse
        self._starts, self._length, start = array("q"), 0, 0
        with path.open("rb") as file:
            for line in file:
                if not self._length % STEP:
                    self._starts.append(start)
                self._length, start = self._length + 1, start + len(line)
            is_empty = not start  # that cannot be mapped
            self._text = b"" if is_empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Item]:
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield self._parse(line, f"{self._path}:{number}")

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        found = range(len(self))[index]
        return self._read(found) if isinstance(found, int) else [*map(self._read, found)]

    def _read(self, number: int) -> Item:
        start = self._starts[number // STEP]
        for _ in range(number % STEP):
            start = self._text.find(b"\n", start) + 1
        end = self._text.find(b"\n", start) + 1
        line = self._text[start : end or len(self._text)]
        return self._parse(line, f"{self._path}:{number + 1}")
