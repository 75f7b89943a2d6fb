"""A folder or zip of images -> its files' bytes, sorted, hostile ones refused with a reason.

What would hang, fill memory or leave the source is not read.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import is_stored
from captcha_tagger.source.archive import open_archive, read_entry
from captcha_tagger.source.limits import (
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
def open_source(path: Path, limits: Limits) -> Iterator[Source]:
    """Open a folder or a zip; InputError when it is neither, holds too many files, or changes.

    DVC hashes the source after the stage has run: a file that came meanwhile would be in no
    manifest, and the stage up to date for ever.
    """
    if path.is_dir():
        names = _list_names(path, limits.max_files)
        before = _fingerprint(_join(path, names))
        opener = partial(open_folder, path, limits)
        with opener() as read:
            yield _make_source(names, lambda n: Listed(n, names[n]), opener, read, limits)
        after = _fingerprint(_join(path, _list_names(path, limits.max_files)))
    elif path.is_file() and is_stored(path):
        before = _fingerprint([str(path)])
        with path.open("rb") as file:
            archive = open_archive(file, path, limits.max_files)
            names = list(archive.names())
            read = partial(read_entry, file=file, path=path, shift=archive.shift, limits=limits)
            opener = partial(open_zip, path, archive.shift, limits)
            yield _make_source(names, archive.list_file, opener, read, limits)
        after = _fingerprint([str(path)])
    else:
        raise InputError(
            f"{path}: no such folder or zip; set ingest.source (under `dvc exp run --temp` or "
            "`--queue` it must be tracked: `dvc add` it first)"
        )
    if before != after:
        raise InputError(f"{path}: changed while it was read; run again")


@contextmanager
def open_folder(root: Path, limits: Limits) -> Iterator[Read]:
    """What reads the files of a folder, in any process."""
    yield partial(_read_file, root=root, limits=limits)


@contextmanager
def open_zip(path: Path, shift: int, limits: Limits) -> Iterator[Read]:
    """What reads the files of a zip, in any process."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: changed while it was read; run again") from None
    with file:
        yield partial(read_entry, file=file, path=path, shift=shift, limits=limits)


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
        lambda places: map(read, map(list_file, places)),
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
        return Found(name, refusal=f"{error}; ingest.max_file_bytes allows no more")
    except InputError as error:
        return Found(name, refusal=str(error))
    except OSError as error:
        return Found(name, refusal=f"cannot be read: {error.strerror}")


def _check_link(root: Path, path: str) -> None:
    target = Path(os.path.realpath(path))  # Path.resolve raises on a loop of links
    if not target.is_relative_to(root.resolve()):
        raise InputError("symbolic link that leaves the source; put the file itself there")
