"""A zip of images -> its files' bytes, sorted; nothing is ever extracted to disk."""

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from captcha_tagger.admission import Found, Limits, check_count, check_size, refuse_name
from captcha_tagger.errors import InputError

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1  # bit of a zip entry's flags, APPNOTE.TXT 4.4.4


def open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # zipfile raises almost anything on damaged archives
        raise InputError(
            f"{path}: neither a folder nor a zip that can be read ({error}); set ingest.source"
        ) from None


def list_entries(archive: zipfile.ZipFile, path: Path, max_files: int) -> list[zipfile.ZipInfo]:
    # ZipInfo.is_dir fails on an empty name in Python 3.11.
    entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    check_count(len(entries), path, max_files)
    return sorted(entries, key=lambda entry: entry.filename)


def read_entries(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: Limits
) -> Iterator[Found]:
    previous = ""
    for entry in entries:
        repeated = entry.filename == previous
        yield refuse_name(entry.filename) or _read_entry(archive, entry, limits, repeated)
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
    check_size(entry.file_size, limits.max_file_bytes)
    if entry.file_size > limits.max_compression_ratio * max(1, entry.compress_size):
        raise InputError("packed tighter than ingest.max_compression_ratio allows")
