"""A folder or zip of images -> its files' bytes, sorted, hostile ones refused with a reason.

What would hang, fill memory or leave the source is not read.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.ingest.archive import open_archive
from captcha_tagger.ingest.limits import (
    Found,
    Limits,
    cap_total,
    check_count,
    check_size,
    refuse_name,
)


@dataclass(frozen=True, slots=True)
class Source:
    """The number of files and, once, the files; and at any time some of them."""

    num_files: int
    files: Iterator[Found]
    read: Callable[[Iterable[int]], Iterator[Found]]  # some of them, by their places by name


@contextmanager
def open_source(path: Path, limits: Limits) -> Iterator[Source]:
    """Open a folder or a zip; InputError when it is neither or holds too many files."""
    if path.is_dir():
        names = sorted(_walk(path, limits.max_files))

        def read(picks: Iterable[int]) -> Iterator[Found]:
            return (_read_file(path, names[pick], limits) for pick in picks)

        yield Source(len(names), cap_total(read(range(len(names))), limits), read)
    elif path.is_file():
        with path.open("rb") as file:
            archive = open_archive(file, path, limits.max_files)
            read = partial(archive.read, limits)
            yield Source(len(archive), cap_total(read(range(len(archive))), limits), read)
    else:
        raise InputError(
            f"{path}: no such folder or zip; set ingest.source (under `dvc exp run --temp` or "
            "`--queue` it must be tracked: `dvc add` it first)"
        )


def _walk(root: Path, max_files: int) -> Iterator[str]:
    num_files = 0
    folders = [""]
    while folders:
        prefix = folders.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{prefix}{entry.name}/")
                    continue
                num_files += 1
                check_count(num_files, root, max_files)
                yield prefix + entry.name


def _read_file(root: Path, name: str, limits: Limits) -> Found:
    if found := refuse_name(name):
        return found
    try:
        return Found(name, data=_read_regular(root, name, limits.max_file_bytes))
    except InputError as error:
        return Found(name, refusal=str(error))
    except OSError as error:
        return Found(name, refusal=f"cannot be read: {error.strerror}")


def _read_regular(root: Path, name: str, max_bytes: int) -> bytes:
    path = os.path.join(root, name)  # noqa: PTH118, four times as fast as Path / name
    if os.path.islink(path):  # noqa: PTH114
        target = Path(os.path.realpath(path))  # Path.resolve raises on a loop of links
        if not target.is_relative_to(root.resolve()):
            raise InputError("symbolic link that leaves the source; put the file itself there")
    # O_NONBLOCK: opening a pipe must not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError("not a regular file")
        check_size(status.st_size, max_bytes)
        return file.read()
