"""A folder or zip of images, here or in an object store -> its files' bytes, sorted, hostile ones
refused with a reason.

What would hang, fill memory or leave the source is not read.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import is_stored
from captcha_tagger.source.archive import open_archive, read_entry
from captcha_tagger.source.limits import (
    MORE,
    Found,
    Limits,
    Listed,
    Opener,
    Read,
    check_count,
    read_until_full,
    refuse,
)
from captcha_tagger.source.reading import TooManyBytesError, read_regular
from captcha_tagger.source.store import is_address, open_objects, open_store


@dataclass(frozen=True, slots=True)
class Source:
    """The names of the files and, once, the files; at any time some of them; and what another
    process needs to read them."""

    names: Sequence[str]
    files: Iterator[Found]
    read: Callable[[Iterable[int]], Iterator[Found]]  # some of them, by their places by name
    list_files: Callable[[], Iterator[Listed]]
    opener: Opener

    @property
    def num_files(self) -> int:
        return len(self.names)


@contextmanager
def open_source(
    source: Path | str, limits: Limits, scratch: Path | None = None
) -> Iterator[Source]:
    """Open a folder or a zip, or the address of either in a store; InputError when it is neither,
    holds too many files, or changes. A zip in a store is fetched, into the scratch folder.

    DVC hashes the source after the stage has run: a file that came meanwhile would be in no
    manifest, and the stage up to date for ever.
    """
    path = Path(source)
    if isinstance(source, str) and is_address(source):
        opening = _open_address(source, limits, scratch)
    elif path.is_dir():
        opening = _open_folder(path, limits)
    elif path.is_file() and is_stored(path):
        opening = _open_zip(path, source, limits)
    else:
        raise InputError(
            f"{path}: no such folder or zip; set ingest.source (under `dvc exp run --temp` or "
            "`--queue` it must be tracked: `dvc add` it first)"
        )
    with opening as opened:
        yield opened


def identify_source(source: Path | str) -> str:
    """A word that changes when a file or a folder's files do: by names, sizes and times of change,
    or by a store's own checksums. Nothing is read; InputError as of `open_source`."""
    if not is_address(source):
        return _fingerprint_all(Path(source), sys.maxsize).hex()
    store = open_store(str(source))
    return store.identify() if store.is_file() else store.list_objects(sys.maxsize).digest.hex()


@contextmanager
def _open_folder(path: Path, limits: Limits) -> Iterator[Source]:
    names = _list_names(path, limits.max_files)
    before = _fingerprint(_join(path, names))
    opener = partial(open_folder, path, limits)
    with opener() as read:
        yield _make_source(names, lambda n: Listed(n, names[n]), opener, read, limits)
    _check_same(path, before, _fingerprint_all(path, limits.max_files))


@contextmanager
def _open_zip(path: Path, source: Path | str, limits: Limits) -> Iterator[Source]:
    before = _fingerprint_all(path, limits.max_files)
    with path.open("rb") as file:
        archive = open_archive(file, source, limits.max_files)
    opener = partial(open_zip, path, source, archive.shift, limits)
    with opener() as read:
        yield _make_source(list(archive.names()), archive.list_file, opener, read, limits)
    _check_same(source, before, _fingerprint_all(path, limits.max_files))


@contextmanager
def _open_address(address: str, limits: Limits, scratch: Path | None) -> Iterator[Source]:
    store = open_store(address)
    if store.is_file():
        tag = store.identify()
        with TemporaryDirectory(dir=scratch) as folder:
            fetched = store.fetch(Path(folder), limits)
            with _open_zip(fetched, address, limits) as opened:
                yield opened
        _check_same(address, tag, store.identify())
        return
    names, sizes, before = store.list_objects(limits.max_files)
    opener = partial(open_objects, address, limits)
    with opener() as read:
        yield _make_source(
            names, lambda n: Listed(n, names[n], num_bytes=sizes[n]), opener, read, limits
        )
    _check_same(address, before, store.list_objects(limits.max_files).digest)


def _check_same(source: Path | str, before: bytes | str, after: bytes | str) -> None:
    if before != after:
        raise InputError(f"{source}: changed while it was read; run again")


@contextmanager
def open_folder(root: Path, limits: Limits) -> Iterator[Read]:
    """What reads the files of a folder, in any process."""
    yield partial(map, partial(_read_file, root=root, limits=limits))


@contextmanager
def open_zip(path: Path, source: Path | str, shift: int, limits: Limits) -> Iterator[Read]:
    """What reads the files of a zip, in any process."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError(f"{source}: changed while it was read; run again") from None
    with file:
        yield partial(
            map, partial(read_entry, file=file, source=source, shift=shift, limits=limits)
        )


def _make_source(
    names: Sequence[str],
    list_file: Callable[[int], Listed],
    opener: Opener,
    read: Read,
    limits: Limits,
) -> Source:
    def list_files() -> Iterator[Listed]:
        return map(list_file, range(len(names)))

    return Source(
        names,
        read_until_full(list_files(), read, limits),
        lambda places: read(map(list_file, places)),
        list_files,
        opener,
    )


def walk(root: Path, max_files: int) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files below a folder by their posix path, links to folders among them, not sorted."""
    num_files = 0
    folders = [""]
    while folders:
        prefix = folders.pop()
        try:
            with os.scandir(root / prefix) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{prefix}{entry.name}/")
                        continue
                    num_files += 1
                    check_count(num_files, root, max_files)
                    yield prefix + entry.name, entry
        except OSError as error:
            raise InputError(f"{root / prefix}: cannot be read: {error.strerror}") from None


def _list_names(root: Path, max_files: int) -> list[str]:
    return sorted(name for name, _ in walk(root, max_files))


def _join(root: Path, names: list[str]) -> Iterator[str]:
    return (f"{root}/{name}" for name in names)


def _fingerprint_all(path: Path, max_files: int) -> bytes:
    names = _join(path, _list_names(path, max_files)) if path.is_dir() else [str(path)]
    return _fingerprint(names)


def _fingerprint(paths: Iterable[str]) -> bytes:
    """A digest of the paths with their sizes and times of change."""
    digest = hashlib.blake2b()
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116, three times as fast as Path.stat
        except OSError:  # a link to nowhere, or a file that has gone
            known = "gone"
        else:
            known = f"{status.st_size} {status.st_mtime_ns}"
        digest.update(f"{path}\0{known}\0".encode("utf-8", "surrogateescape"))
    return digest.digest()


def _read_file(listed: Listed, root: Path, limits: Limits) -> Found:
    if found := refuse(listed):
        return found
    name = listed.name
    path = os.path.join(root, name)  # noqa: PTH118, four times as fast as Path / name
    try:
        if os.path.islink(path):  # noqa: PTH114
            _check_link(root, path)
        return Found(name, data=read_regular(path, limits.max_file_bytes))
    except TooManyBytesError as error:
        return Found(name, refusal=f"{error}{MORE}")
    except InputError as error:
        return Found(name, refusal=str(error))
    except OSError as error:
        return Found(name, refusal=f"cannot be read: {error.strerror}")


def _check_link(root: Path, path: str) -> None:
    target = Path(os.path.realpath(path))  # Path.resolve raises on a loop of links
    if not target.is_relative_to(root.resolve()):
        raise InputError("symbolic link that leaves the source; put the file itself there")
