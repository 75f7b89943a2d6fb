"""A folder or zip of images -> its files' bytes, sorted, hostile ones refused with a reason.

Nothing is ever extracted to disk. What would hang, fill memory or leave the source is not read.
"""

import os
import posixpath
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from captcha_tagger.errors import InputError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tiff", ".tif")
CLUTTER = (".DS_Store", "Thumbs.db", "desktop.ini")
# Controls, line separators, direction overrides, undecodable bytes: they would forge the tables
# and pages that show the name.
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1  # bit of a zip entry's flags, APPNOTE.TXT 4.4.4


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may hold; the ratio is of a zip entry's size to its compressed size."""

    max_files: int
    max_file_bytes: int
    max_total_bytes: int
    max_compression_ratio: float


class Found(NamedTuple):
    """One file: its posix path in the source with its bytes, or with why they were not read.

    `clutter` marks what operating systems leave behind, which is no fault of the data set.
    """

    file: str
    data: bytes = b""
    refusal: str = ""
    clutter: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """The number of files and, once, the files."""

    num_files: int
    files: Iterator[Found]


@contextmanager
def open_source(path: Path, limits: Limits) -> Iterator[Source]:
    """Open a folder or a zip; InputError when it is neither or holds too many files."""
    if path.is_dir():
        names = sorted(_walk(path, limits.max_files))
        yield Source(len(names), _cap_total((_read_file(path, n, limits) for n in names), limits))
    elif path.is_file():
        with _open_archive(path) as archive:
            entries = _list_entries(archive, path, limits.max_files)
            found = _read_entries(archive, entries, limits)
            yield Source(len(entries), _cap_total(found, limits))
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
                _check_count(num_files, root, max_files)
                yield prefix + entry.name


def _read_file(root: Path, name: str, limits: Limits) -> Found:
    if found := _refuse_name(name):
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
        target = Path(path).resolve()
        if not target.is_relative_to(root.resolve()):
            raise InputError("symbolic link that leaves the source; put the file itself there")
    # O_NONBLOCK: opening a pipe must not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError("not a regular file")
        _check_size(status.st_size, max_bytes)
        return file.read()


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # zipfile raises almost anything on damaged archives
        raise InputError(
            f"{path}: neither a folder nor a zip that can be read ({error}); set ingest.source"
        ) from None


def _list_entries(archive: zipfile.ZipFile, path: Path, max_files: int) -> list[zipfile.ZipInfo]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    _check_count(len(entries), path, max_files)
    return sorted(entries, key=lambda entry: entry.filename)


def _read_entries(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: Limits
) -> Iterator[Found]:
    previous = ""
    for entry in entries:
        repeated = entry.filename == previous
        yield _refuse_name(entry.filename) or _read_entry(archive, entry, limits, repeated)
        previous = entry.filename


def _read_entry(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: Limits, repeated: bool
) -> Found:
    try:
        if repeated:
            raise InputError("a second entry of the same name in the archive")
        _check_entry(entry, limits)
        with archive.open(entry) as file:
            return Found(entry.filename, data=file.read())
    except InputError as error:
        return Found(entry.filename, refusal=str(error))
    except Exception as error:  # zipfile and zlib raise almost anything on damaged entries
        reason = " ".join(str(error).split()) or type(error).__name__
        return Found(entry.filename, refusal=f"damaged in the archive: {reason}")


def _check_entry(entry: zipfile.ZipInfo, limits: Limits) -> None:
    path = PurePosixPath(entry.filename)
    if path.is_absolute() or "\\" in entry.filename or ":" in path.parts[0]:
        raise InputError("absolute path, or one of Windows, in the archive")
    if ".." in path.parts:
        raise InputError("its path leaves the archive")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise InputError("symbolic link in the archive")
    if entry.flag_bits & ENCRYPTED:
        raise InputError("encrypted")
    if entry.compress_type not in METHODS:
        raise InputError("packed by another method than deflate")
    _check_size(entry.file_size, limits.max_file_bytes)
    if entry.file_size > limits.max_compression_ratio * max(1, entry.compress_size):
        raise InputError("packed tighter than ingest.max_compression_ratio allows")


def _refuse_name(file: str) -> Found | None:
    """Refuse what is not named as an image."""
    if UNFIT.search(file):
        return Found(_escape(file), refusal="its name holds control or undecodable characters")
    name = posixpath.basename(file)
    if name in CLUTTER or name.startswith("._") or "__MACOSX" in file.split("/"):
        return Found(file, refusal="left behind by an operating system", clutter=True)
    ending = posixpath.splitext(name)[1].lower()
    if ending in ENDINGS:
        return None
    if ending == ".zip":
        return Found(file, refusal="an archive inside the source; unpack it first")
    return Found(file, refusal="not named as an image: its ending is none of " + " ".join(ENDINGS))


def _escape(file: str) -> str:
    return UNFIT.sub(lambda match: match[0].encode("unicode_escape").decode(), file)


def _cap_total(files: Iterator[Found], limits: Limits) -> Iterator[Found]:
    num_bytes = 0
    for found in files:
        num_bytes += len(found.data)
        if num_bytes > limits.max_total_bytes and found.data:
            found = Found(found.file, refusal="ingest.max_total_bytes is reached before it")
        yield found


def _check_count(num_files: int, path: Path, max_files: int) -> None:
    if num_files > max_files:
        raise InputError(f"{path}: more than {max_files} files; raise ingest.max_files")


def _check_size(num_bytes: int, max_bytes: int) -> None:
    if num_bytes > max_bytes:
        raise InputError(f"{num_bytes} bytes are more than ingest.max_file_bytes")
