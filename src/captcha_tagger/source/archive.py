"""A zip of images -> its files' bytes, sorted; nothing is ever extracted to disk.

Reads the format itself, of which images need little: stored and deflated entries, zip64. Python's
zipfile takes 650 bytes of memory an entry, before any limit can be checked; this takes 130.
Format: PKWARE, APPNOTE.TXT 6.3.10, whose section numbers are named below.
"""

import stat
import struct
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.limits import (
    Found,
    Limits,
    Listed,
    check_count,
    refuse,
    refuse_name,
)

END = struct.Struct("<4s4H2LH")  # 4.3.16
END_LOCATOR_64 = struct.Struct("<4sLQL")  # 4.3.15
END_64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
ENTRY = struct.Struct("<4s6H3L5H2L")  # 4.3.12
LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
MAX_COMMENT_BYTES = 65_535
IN_EXTRA_32 = 0xFFFFFFFF  # the value stands in the zip64 extra field, 4.5.3
ENCRYPTED, UTF8 = 0x1, 0x800  # general purpose flags, 4.4.4
STORED, DEFLATED = 0, 8  # 4.4.5


@dataclass(frozen=True, slots=True)
class Entry:
    """What the directory says of one file; `header` is where its own header starts."""

    name: str
    flags: int
    method: int
    checksum: int
    packed_bytes: int
    bytes: int
    mode: int
    header: int


class Archive:
    """The sorted entries of a zip file that is open for reading.

    `shift` is by how much its offsets are off.
    """

    def __init__(self, file: BinaryIO, max_files: int, source: Path | str) -> None:
        start, num_bytes, self.shift = _find_directory(file)
        self._names: list[str] = []
        self._places = array("Q")
        headers, ends = array("Q"), array("Q")
        place, end = start, start + num_bytes
        while place < end:
            entry, size = _read_entry(file, place)
            if not entry.name.endswith("/"):  # else a folder
                self._names.append(entry.name)
                self._places.append(place)
                headers.append(entry.header)
                ends.append(entry.header + LOCAL.size + entry.packed_bytes)
                check_count(len(self._names), source, max_files)
            place += size
        self._order = array("L", sorted(range(len(self)), key=self._names.__getitem__))
        self._overlapping = _find_overlaps(headers, ends)

    def __len__(self) -> int:
        return len(self._names)

    def names(self) -> Iterator[str]:
        """The files' names in order."""
        return (self._names[index] for index in self._order)

    def list_file(self, place: int) -> Listed:
        """The file at a place in the order of the names."""
        index = self._order[place]
        listed = Listed(place, self._names[index], self._places[index])
        if refuse_name(listed.name):
            return listed
        if place > 0 and self._names[self._order[place - 1]] == listed.name:
            return listed._replace(refusal="a second entry of the same name in the archive")
        if index in self._overlapping:
            return listed._replace(refusal="shares its bytes with another entry of the archive")
        return listed


def read_entry(
    listed: Listed, *, file: BinaryIO, source: Path | str, shift: int, limits: Limits
) -> Found:
    """The file of a zip that is open for reading, or why it is refused.

    InputError where the zip is not the one any more whose directory was read.
    """
    if found := refuse(listed):
        return found
    try:
        entry, _ = _read_entry(file, listed.offset)
        _check_entry(entry, limits)
        return Found(listed.name, data=_unpack(file, entry, shift))
    except _DamagedError as error:
        raise InputError(f"{source}: changed while it was read ({error})") from None
    except InputError as error:
        return Found(listed.name, refusal=str(error))


def open_archive(file: BinaryIO, source: Path | str, max_files: int) -> Archive:
    """Read the directory of a zip file; InputError when it is none, or holds too many files."""
    try:
        return Archive(file, max_files, source)
    except _DamagedError as error:
        raise InputError(
            f"{source}: neither a folder nor a zip that can be read ({error}); set ingest.source"
        ) from None


class _DamagedError(Exception):
    """The archive's own structure is broken."""


def _find_directory(file: BinaryIO) -> tuple[int, int, int]:
    """Return where the directory starts, its bytes, and by how much all offsets are shifted.

    They are where something else precedes the archive, as in one that unpacks itself.
    """
    file_bytes = file.seek(0, 2)
    tail_start = max(0, file_bytes - MAX_COMMENT_BYTES - END.size)
    file.seek(tail_start)
    tail = file.read()
    found = tail.rfind(b"PK\5\6")
    if found < 0 or len(tail) - found < END.size:
        raise _DamagedError("it has no directory at its end; is it cut short?")
    *_, num_bytes, offset, _ = END.unpack_from(tail, found)
    end = tail_start + found
    locator_start = end - END_LOCATOR_64.size
    if locator_start >= 0:
        signature, _, end_64, _ = _unpack_at(file, locator_start, END_LOCATOR_64)
        if signature == b"PK\6\7":
            end = end_64
            *_, num_bytes, offset = _unpack_at(file, end, END_64)
    start = end - num_bytes
    if start < 0 or offset > start:
        raise _DamagedError("its directory lies outside of it")
    return start, num_bytes, start - offset


def _read_entry(file: BinaryIO, place: int) -> tuple[Entry, int]:
    """Return the directory's entry at a place, and how many bytes it takes there."""
    fields = _unpack_at(file, place, ENTRY)
    signature, _, _, flags, method, _, _, checksum, packed_bytes, num_bytes = fields[:10]
    name_bytes, extra_bytes, comment_bytes, _, _, attributes, header = fields[10:]
    if signature != b"PK\1\2":
        raise _DamagedError("its directory is damaged")
    raw_name, extra = file.read(name_bytes), file.read(extra_bytes)
    name = _decode_name(raw_name, flags)
    num_bytes, packed_bytes, header = _widen(extra, num_bytes, packed_bytes, header)
    entry = Entry(name, flags, method, checksum, packed_bytes, num_bytes, attributes >> 16, header)
    return entry, ENTRY.size + name_bytes + extra_bytes + comment_bytes


def _decode_name(name: bytes, flags: int) -> str:
    """Unix's zip writes UTF-8 without the flag that says so, 4.4.4; cp437 is hardly ever that."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("utf-8", "surrogateescape") if flags & UTF8 else name.decode("cp437")


def _find_overlaps(starts: "array[int]", ends: "array[int]") -> set[int]:
    """The entries that begin inside another: unpacked one by one, a few bytes make terabytes.

    Source: Fifield, "A better zip bomb" (WOOT 2019).
    """
    overlapping: set[int] = set()
    reached = 0
    for index in sorted(range(len(starts)), key=starts.__getitem__):
        if starts[index] < reached:
            overlapping.add(index)
        reached = max(reached, ends[index])
    return overlapping


def _widen(extra: bytes, *values: int) -> Iterator[int]:
    """Replace the values that say so by those of the zip64 extra field, in its order."""
    wide: Iterator[int] = iter(())
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        if kind == 1:
            content = extra[place + 4 : place + 4 + size // 8 * 8]
            wide = iter(value for (value,) in struct.iter_unpack("<Q", content))
        place += 4 + size
    return (next(wide, value) if value == IN_EXTRA_32 else value for value in values)


def _check_entry(entry: Entry, limits: Limits) -> None:
    path = PurePosixPath(entry.name)
    if path.is_absolute() or "\\" in entry.name or ":" in path.parts[0]:
        raise InputError("absolute path, or one of Windows, in the archive")
    if ".." in path.parts:
        raise InputError("its path leaves the archive")
    if stat.S_ISLNK(entry.mode):
        raise InputError("symbolic link in the archive")
    if entry.flags & ENCRYPTED:
        raise InputError("encrypted")
    if entry.method not in (STORED, DEFLATED):
        raise InputError("packed by another method than deflate")
    num_bytes = max(entry.bytes, entry.packed_bytes)
    if num_bytes > limits.max_file_bytes:
        raise InputError(f"{num_bytes} bytes are more than ingest.max_file_bytes")
    if entry.bytes > limits.max_compression_ratio * max(1, entry.packed_bytes):
        raise InputError("packed tighter than ingest.max_compression_ratio allows")


def _unpack(file: BinaryIO, entry: Entry, shift: int) -> bytes:
    """Return the entry's content; no more than the directory claims is ever unpacked."""
    place = entry.header + shift
    try:
        signature, *_, name_bytes, extra_bytes = _unpack_at(file, place, LOCAL)
        if signature != b"PK\3\4":
            raise _DamagedError("no file where the directory says")
        file.seek(place + LOCAL.size + name_bytes + extra_bytes)
        data = file.read(entry.packed_bytes)
        if entry.method == DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, entry.bytes + 1)
        if len(data) != entry.bytes:
            raise _DamagedError(f"{len(data)} bytes instead of {entry.bytes}")
        if zlib.crc32(data) != entry.checksum:
            raise _DamagedError("wrong checksum")
    except (_DamagedError, zlib.error) as error:
        raise InputError(f"damaged in the archive: {error}") from None
    return data


def _unpack_at(file: BinaryIO, place: int, form: struct.Struct) -> tuple[Any, ...]:
    try:
        file.seek(place)
        return form.unpack(file.read(form.size))
    except (OSError, OverflowError, ValueError, struct.error):  # a place outside the file
        raise _DamagedError("it is cut short") from None
