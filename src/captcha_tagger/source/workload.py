"""How much work a file makes its decoder, counted in its bytes before anything is decoded.

Pixels alone do not say it: a progressive JPEG of 115 kB may have every pixel gone over 2,000 times,
and the one tile of a TIFF may be a thousand times its image. The bounds lie far above what any
program writes, and do not depend on the machine, so that a file is refused everywhere or nowhere.
"""

import re
import struct

from captcha_tagger.base.errors import InputError

MAX_SCANS = 100  # of a JPEG; programs write 10. As libtiff allows inside a TIFF
MAX_PARTS = 20_000  # segments of a JPEG, chunks of a PNG: 0.1 s of Pillow's time
MAX_RUN_LENGTH_BYTES = 5_000_000  # of a BMP that Pillow unpacks in Python, at 7 MB a second

JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # not stuffed, filling or a restart
START_OF_SCAN, END_OF_IMAGE = b"\xda", b"\xd9"
STANDALONE = (b"\x01", b"\xd8")  # markers without a length
TIFF_TILE_SIZES = (322, 323)  # the tags TileWidth and TileLength
TIFF_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}


def check_workload(data: bytes, max_pixels: int) -> None:
    """InputError when the file would keep its decoder busy, or fill memory, beyond its pixels."""
    if data.startswith(b"\xff\xd8"):
        _check_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        _check_png(data)
    elif data.startswith((b"II", b"MM")):
        _check_tiff(data, max_pixels)
    elif data.startswith(b"BM"):
        _check_bmp(data)


def _check_jpeg(data: bytes) -> None:
    """Source: ITU-T T.81, B.1.1."""
    if len(data) < 4 * MAX_PARTS and data.count(b"\xff" + START_OF_SCAN) <= MAX_SCANS:
        return  # there is not room for more
    scans = parts = place = 0
    while match := JPEG_MARKER.search(data, place):
        marker, place = match[1], match.end()
        if marker == END_OF_IMAGE:
            return
        parts += 1
        scans += marker == START_OF_SCAN
        if scans > MAX_SCANS:
            raise InputError(f"a JPEG of more than {MAX_SCANS} scans")
        _check_parts(parts)
        if marker not in STANDALONE:
            place += int.from_bytes(data[place : place + 2], "big")


def _check_png(data: bytes) -> None:
    """Source: W3C, Portable Network Graphics, section 5.3."""
    parts, place = 0, 8
    while place + 12 <= len(data):
        if data[place + 4 : place + 8] == b"IEND":
            return
        parts += 1
        _check_parts(parts)
        place += 12 + int.from_bytes(data[place : place + 4], "big")


def _check_parts(parts: int) -> None:
    if parts > MAX_PARTS:
        raise InputError(f"an image file of more than {MAX_PARTS} parts")


def _check_tiff(data: bytes, max_pixels: int) -> None:
    """Sources: Adobe, TIFF 6.0, section 2; of BigTIFF, the description at libtiff.gitlab.io."""
    order = "<" if data.startswith(b"II") else ">"
    try:
        (version,) = struct.unpack_from(f"{order}H", data, 2)
        head, count, entry = ("8xQ", "Q", "HHQ8s") if version == 43 else ("4xI", "H", "HHI4s")
        (place,) = struct.unpack_from(f"{order}{head}", data)
        (num_entries,) = struct.unpack_from(f"{order}{count}", data, place)
        place += struct.calcsize(f"{order}{count}")
        size = struct.calcsize(f"{order}{entry}")
        sizes: dict[int, int] = dict.fromkeys(TIFF_TILE_SIZES, 1)
        for start in range(place, min(place + num_entries * size, len(data) - size + 1), size):
            tag, kind, _, value = struct.unpack_from(f"{order}{entry}", data, start)
            if tag in sizes and kind in TIFF_INTEGERS:
                sizes[tag] = max(sizes[tag], _first(order, kind, value))
    except struct.error:
        return  # cut short: the decoder says so
    width, height = sizes.values()
    if width * height > max_pixels:
        raise InputError(f"a TIFF of tiles of {width}x{height} pixels")


def _first(order: str, kind: int, value: bytes) -> int:
    try:
        return int(struct.unpack_from(f"{order}{TIFF_INTEGERS[kind]}", value)[0])
    except struct.error:  # eight bytes, which do not stand in the entry of a small TIFF
        return 0


def _check_bmp(data: bytes) -> None:
    """Source: Microsoft, BITMAPINFOHEADER."""
    run_lengths = int.from_bytes(data[30:34], "little") in (1, 2)  # RLE8 and RLE4
    if run_lengths and len(data) > MAX_RUN_LENGTH_BYTES:
        raise InputError(f"a run-length packed BMP of more than {MAX_RUN_LENGTH_BYTES} bytes")
