"""Outputs that are whole or absent: written beside, flushed, then renamed into place.

What fails while writing, a full disk above all, is an OSError that names the output.
"""

import csv
import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from captcha_tagger.base.errors import InputError

LOCK_POLL_SECONDS = 0.2
ESCAPE = "'"
# What formulas begin with, the escape, and a blank, which would be taken for one around the cell.
DEFUSED = ("=", "+", "-", "@", "\t", "\r", ESCAPE, " ")
KERNEL_FOLDERS = ("/proc/", "/sys/")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it replaces `path` when the block succeeds.

    What killed processes left beside it is swept away first. A link stays, and what it leads to is
    replaced. InputError where something else than a file stands there.
    """
    path = _follow(path)
    _check_place(path)
    new_folders = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with _naming(path):
            yield beside
            _flush(beside)
            beside.replace(path)
            _flush(path.parent)
    finally:
        beside.unlink(missing_ok=True)
        if not path.exists():
            with suppress(OSError):  # others may have filled them
                for folder in new_folders:
                    folder.rmdir()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; it replaces `path` when the block succeeds.

    What a killed process left beside an earlier output is swept away first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        with _naming(path):
            yield beside
            for file in sorted(beside.rglob("*")):
                _flush(file)
            if path.exists():
                shutil.rmtree(path)
            beside.replace(path)
            _flush(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_json(path: Path, content: Any) -> None:
    """Write sorted, indented JSON; the same content gives the same bytes. NaN is refused."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_file(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The content of a JSON file; InputError when it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise InputError(f"{path}: not readable as JSON: nested too deep") from None
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON: {error}; make it anew") from None


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV table for people: floats in their shortest exact form, no live formulas.

    `read_table` gives back exactly the texts that were written.
    """
    with atomic_file(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(_UnixLines(file))
        writer.writerow(columns)
        writer.writerows([_defuse(cell) for cell in row] for row in rows)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write a .npy file. Unlike np.save it says why it could not: a full disk, a limit."""
    with stream_array(path, array.shape, array.dtype) as append:
        append(array)


@contextmanager
def stream_array(
    path: Path, shape: tuple[int, ...], dtype: DTypeLike
) -> Iterator[Callable[[NDArray[Any]], None]]:
    """Yield what writes the next rows of an array, which need not fit into memory, to a .npy file.

    A memory map would do the same, but ends the process where the disk is full.
    """
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    with atomic_file(path) as beside, beside.open("wb") as file:
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)

        def append(rows: NDArray[Any]) -> None:
            file.write(np.ascontiguousarray(rows, dtype).data)

        yield append


def read_array(path: Path) -> NDArray[Any]:
    """A .npy file as a memory map; InputError when it is missing, no array, or holds pickles."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run dvc repro first") from None
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable array: {error}; run dvc repro") from None
    return array


def read_table(path: Path, columns: Iterable[str] = ()) -> list[dict[str, str]]:
    """The rows of a table that `write_table` wrote; InputError when it is damaged.

    `columns` are those that it must have at least.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            known = reader.fieldnames or []
            rows = [
                {column: cell.removeprefix(ESCAPE) for column, cell in row.items()}
                for row in reader
            ]
    except (ValueError, AttributeError, csv.Error):  # no text, or too few or too many cells
        raise InputError(f"{path}: not readable as a table; make it anew") from None
    if missing := [name for name in columns if name not in known]:
        raise InputError(f"{path}: lacks the column {missing[0]}; make it anew")
    return rows


def is_stored(path: Path) -> bool:
    """Whether a path, its links followed, is none of the kernel's own.

    Those look like files, and reading them fails or never ends: /proc/self/mem, /proc/kmsg.
    """
    return not f"{os.path.realpath(path)}/".startswith(KERNEL_FOLDERS)


class _UnixLines:
    """Ends lines in a line feed alone. Python's writer quotes a carriage return only where the
    line's end holds one, and unquoted it would end the line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        return self._file.write(line.removesuffix("\r\n") + "\n")


def hash_path(root: Path, path: str) -> dict[str, Any] | None:
    """A file's or folder's path, md5 and size as in dvc.lock; None when there is no such path.

    Source: `dvc_data.hashfile.tree`: a folder's hash is that of the JSON list of its files.
    """
    target = root / path
    if target.is_file():
        size = target.stat().st_size
        return {"path": path, "hash": "md5", "md5": hash_file(target), "size": size}
    if not target.is_dir():
        return None
    files = [f for f in target.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    listing = [{"md5": hash_file(f), "relpath": f.relative_to(target).as_posix()} for f in files]
    listing.sort(key=lambda entry: entry["relpath"])
    digest = hashlib.md5(json.dumps(listing, sort_keys=True).encode()).hexdigest() + ".dir"
    size = sum(file.stat().st_size for file in files)
    return {"path": path, "hash": "md5", "md5": digest, "size": size, "nfiles": len(files)}


@contextmanager
def lock_file(path: Path, wait_seconds: float) -> Iterator[None]:
    """Let one process at a time into the block; OSError when it takes another too long.

    Who waits says so, once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    end, told = time.monotonic() + wait_seconds, False
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    reason = f"another process holds this for {wait_seconds:.0f} s; try again later"
                    raise OSError(errno.EBUSY, reason, str(path)) from None
            if not told:
                print(f"waiting for another process: {path}", file=sys.stderr)
            told = True
            time.sleep(LOCK_POLL_SECONDS)
        yield


def check_output(option: str, path: Path, ending: str) -> None:
    """InputError, before the work is done, where an output cannot be written to this path.

    Nor where it is not called what it is: by a slip it would replace a file of another kind.
    """
    if path.suffix.lower() != ending:
        raise InputError(f"{option}: {path}: name a {ending}")
    _check_place(_follow(path))


def hash_file(path: Path) -> str:
    """A file's MD5, as in dvc.lock."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _defuse(cell: Any) -> Any:
    """Prefix text that a spreadsheet would run, or that begins with the prefix or a blank.

    Source: OWASP, "CSV Injection".
    """
    return f"{ESCAPE}{cell}" if isinstance(cell, str) and cell.startswith(DEFUSED) else cell


def _check_place(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a regular file; name another place to write to")


def _follow(path: Path) -> Path:
    """What a link leads to; the link itself where that is write-protected, as DVC's cache is."""
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    is_protected = target.exists() and not target.stat().st_mode & stat.S_IWUSR
    return path if is_protected else target


def _sweep(path: Path) -> None:
    """Remove the half-written files of processes that are no more."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        pid = left.name.split(".")[-2]
        if pid.isdigit() and not _is_alive(int(pid)):
            left.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # someone else's
        return True
    return True


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of the system that names no file name the output."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
