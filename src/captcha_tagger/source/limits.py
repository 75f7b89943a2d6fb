"""Which files of a source are taken at all, and within which limits.

A refused file is an outcome with a reason, not an error; only too many files end the whole.
"""

import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.shown import UNFIT, escape

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tiff", ".tif")
CLUTTER = (".DS_Store", "Thumbs.db", "desktop.ini")
MOST_PIXELS = 178_956_970  # Pillow opens no larger image
FULL = "ingest.max_total_bytes is reached before it"


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


def read_until_full(
    names: Iterable[str], read: Callable[[int], Found], limits: Limits
) -> Iterator[Found]:
    """Read the file at each name's place; none any more once max_total_bytes is reached."""
    left = limits.max_total_bytes
    for place, name in enumerate(names):
        if left <= 0:
            yield refuse_name(name) or Found(name, refusal=FULL)
            continue
        found = read(place)
        left -= len(found.data)
        yield found if left >= 0 else Found(name, refusal=FULL)


def check_count(num_files: int, path: Path, max_files: int) -> None:
    if num_files > max_files:
        raise InputError(f"{path}: more than {max_files} files; raise ingest.max_files")
