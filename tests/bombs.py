"""Small files that ask a decoder for more than their pixels: each of them hurt once."""

import io
import struct
import zlib

from PIL import Image

from tests.hostile import draw, encode


def scan_jpeg(scans: int, side: int = 64) -> bytes:
    """A progressive JPEG whose last scan comes so many times: 38 bytes each, all pixels again."""
    data = encode(Image.new("L", (side, side), 128), "JPEG", progressive=True, quality=50)
    last = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + b"\xff\xd9"


def segment_jpeg(segments: int) -> bytes:
    """A JPEG of so many empty segments, of which Pillow keeps a list."""
    data = encode(draw(0), "JPEG")
    return data[:2] + b"\xff\xe5\0\2" * segments + data[2:]


def chunk_png(chunks: int) -> bytes:
    """A PNG of so many empty chunks, which Pillow walks in Python."""
    data = encode(draw(0))
    empty = struct.pack(">I", 0) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))
    return data[:33] + empty * chunks + data[33:]


def tile_tiff(side: int, order: str = "<", big: bool = False) -> bytes:
    """A TIFF of 200x50 pixels in one deflated tile of side x side."""
    tags = [(256, 200), (257, 50), (258, 8), (259, 8), (262, 1), (277, 1), (322, side),
            (323, side), (324, 8), (325, 8)]  # fmt: skip
    entry, value = ("HHQ", "Q") if big else ("HHI", "I")
    head = struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{order}HI", 42, 8)
    body = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    for tag, number in tags:
        kind = 16 if big else 4
        body += struct.pack(f"{order}{entry}{value}", tag, kind, 1, number)
    return (b"II" if order == "<" else b"MM") + head + body + bytes(16)


def run_length_bmp(side: int) -> bytes:
    """A BMP of one run a pixel, which Pillow unpacks in Python."""
    rows = (b"\1\5" * side + b"\0\0") * side + b"\0\1"
    start = 14 + 40 + 1024
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return (
        b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + bytes(1024) + rows
    )


def text_png(num_bytes: int) -> bytes:
    """A PNG whose comment unpacks to so many bytes."""
    body = b"Comment\0\0" + zlib.compress(bytes(num_bytes))
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    data = encode(draw(0))
    return data[:33] + chunk + struct.pack(">I", zlib.crc32(b"zTXt" + body)) + data[33:]


def overlapping_zip(entries: int, kernel: bytes) -> bytes:
    """A zip of so many entries that share one deflated kernel."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(kernel) + packer.flush()
    rest = (20, 0, 8, 0, 0, zlib.crc32(kernel), len(packed), len(kernel), 9, 0)
    file = io.BytesIO()
    file.write(struct.pack("<4s5H3L2H", b"PK\3\4", *rest) + b"00000.png" + packed)
    start = file.tell()
    for number in range(entries):
        file.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *rest, 0, 0, 0, 0, 0))
        file.write(f"{number:05}.png".encode())
    size = file.tell() - start
    file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, entries, entries, size, start, 0))
    return file.getvalue()
