"""Images that people name, by paths or by addresses in an object store -> their bytes.

Those of a store are listed with their sizes, and fetched when they are wanted, in any process.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.limits import ENDINGS, Listed
from captcha_tagger.source.reading import read_regular
from captcha_tagger.source.store import Unread, open_store


class Stored(NamedTuple):
    """An object, by the address of the folder that it was found in."""

    address: str
    listed: Listed

    def __str__(self) -> str:
        return f"{self.address}/{self.listed.name}"


File = Path | Stored


def find_stored(address: str) -> list[Stored]:
    """The object of this address, or the images below it, in the order of a folder's."""
    store = open_store(address)
    address = address.rstrip("/")
    if store.is_file():
        folder, _, name = address.rpartition("/")
        return [Stored(folder, Listed(0, name, num_bytes=store.measure()))]
    names, sizes, _ = store.list_objects(sys.maxsize)
    images = [
        Stored(address, Listed(0, name, num_bytes=num_bytes))
        for name, num_bytes in zip(names, sizes, strict=True)
        if name.lower().endswith(ENDINGS)
    ]
    return sorted(images, key=lambda image: image.listed.name.split("/"))


def read_files(files: Sequence[File], max_bytes: int) -> Iterator[bytes | InputError]:
    """Their contents in their order, or why one cannot be used."""
    fetched = _fetch([file for file in files if isinstance(file, Stored)], max_bytes)
    for file in files:
        found = next(fetched) if isinstance(file, Stored) else _read_path(file, max_bytes)
        yield _describe(found) if isinstance(found, OSError) else found


def _fetch(files: list[Stored], max_bytes: int) -> Iterator[bytes | Unread]:
    for address, group in groupby(files, attrgetter("address")):
        yield from open_store(address).fetch_all((one.listed for one in group), max_bytes)


def _read_path(file: Path, max_bytes: int) -> bytes | Unread:
    try:
        return read_regular(file, max_bytes)
    except (InputError, OSError) as error:
        return error


def _describe(error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError) and not error.strerror:  # a store says the path alone
        return InputError("no such object")
    return InputError(error.strerror or str(error))
