"""Which files of a source are taken at all, and within which limits.

A refused file is an outcome with a reason, not an error; only too many files end the whole.
"""

import posixpath
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.shown import UNFIT, escape

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tiff", ".tif")
CLUTTER = (".DS_Store", "Thumbs.db", "desktop.ini")
MOST_PIXELS = 178_956_970  # Pillow opens no larger image
FULL = "ingest.max_total_bytes is reached before it"
MORE = "; ingest.max_file_bytes allows no more"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may hold; the ratio is of a zip entry's size to its compressed size."""

    max_files: int
    max_file_bytes: int
    max_total_bytes: int
    max_compression_ratio: float


class Found(NamedTuple):
    """One file: its posix path in the source with its bytes, or with why they were not read.

    `text` is what a table says of it, where its name does not. `clutter` marks what is left out
    without blame, such as what operating systems leave behind.
    """

    file: str
    data: bytes = b""
    refusal: str = ""
    clutter: bool = False
    text: str | None = None


class Listed(NamedTuple):
    """A file that is yet to be read: its place in the order of the names, its name, and why it
    need not be read, if so.

    `offset` is where an archive's directory describes it, `num_bytes` its size in a store.
    `clutter` as in Found.
    """

    place: int
    name: str
    offset: int = 0
    num_bytes: int = 0
    refusal: str = ""
    clutter: bool = False


Read = Callable[[Iterable[Listed]], Iterator[Found]]  # in their order
Opener = Callable[[], AbstractContextManager[Read]]  # can be sent to another process


def refuse_name(file: str) -> Found | None:
    """Refuse what is not named as an image."""
    if UNFIT.search(file):
        return Found(escape(file), refusal="its name holds control or undecodable characters")
    name = posixpath.basename(file)
    if name in CLUTTER or name.startswith("._") or "__MACOSX" in file.split("/"):
        return Found(file, refusal="left behind by an operating system", clutter=True)
    ending = posixpath.splitext(name)[1].lower()
    if ending in ENDINGS:
        return None
    if ending == ".zip":
        return Found(file, refusal="an archive inside the source; unpack it first")
    return Found(file, refusal=f"not named as an image ({' '.join(ENDINGS)})")


def refuse(listed: Listed) -> Found | None:
    """What needs no reading, as its listing or its name says."""
    if listed.refusal:
        return Found(escape(listed.name), refusal=listed.refusal, clutter=listed.clutter)
    return refuse_name(listed.name)


@dataclass(slots=True)
class Budget:
    """The bytes that may still be read of a source, spent in the order of the names whoever reads.

    What is read ahead of the order, and turns out to lie beyond the limit, has been read in vain.
    """

    left: int

    def limit(self, listed: Listed) -> Listed:
        """The file, not to be read any more once nothing is left."""
        is_full = self.left <= 0 and refuse_name(listed.name) is None
        return listed._replace(refusal=FULL) if is_full else listed

    def covers(self, num_bytes: int | None) -> bool:
        """Spend them; whether they still lie within the limit. None: it was not read."""
        if num_bytes is None:
            return True
        if self.left <= 0:
            return False
        self.left -= num_bytes
        return self.left >= 0


def read_until_full(files: Iterable[Listed], read: Read, limits: Limits) -> Iterator[Found]:
    """Read each file; none any more once max_total_bytes is reached."""
    budget = Budget(limits.max_total_bytes)
    for listed in files:
        (found,) = read([budget.limit(listed)])
        num_bytes = None if found.refusal else len(found.data)
        yield found if budget.covers(num_bytes) else Found(listed.name, refusal=FULL)


def check_count(num_files: int, source: Path | str, max_files: int) -> None:
    if num_files > max_files:
        raise InputError(f"{source}: more than {max_files} files; raise ingest.max_files")
