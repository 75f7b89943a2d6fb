"""Each file here took a decoder seconds or gigabytes before its work was counted first."""

import time

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.decoding import decode
from captcha_tagger.source.workload import MAX_PARTS, MAX_RUN_LENGTH_BYTES, MAX_SCANS
from tests import bombs
from tests.hostile import draw, encode


def decode_grey(data):
    return decode(data, height=20, width=40, channels=1, max_pixels=20_000_000)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bombs.scan_jpeg(MAX_SCANS + 1), "scans"),
        (bombs.scan_jpeg(2000, side=4472), "scans"),  # 25 s
        (bombs.segment_jpeg(2_000_000), "parts"),  # 3 s, 300 MB
        (bombs.chunk_png(1_000_000), "parts"),  # 3 s
        (bombs.tile_tiff(40_000), "tiles"),  # 1.6 GB
        (bombs.tile_tiff(40_000, ">"), "tiles"),
        (bombs.tile_tiff(40_000, big=True), "tiles"),
        (bombs.tile_tiff(40_000, ">", big=True), "tiles"),
        (bombs.run_length_bmp(4472), "run-length"),  # 6 s
        (bombs.text_png(60_000_000), "damaged image"),
    ],
)
def test_a_file_that_asks_for_more_work_than_its_pixels_is_refused_at_once(data, reason):
    start = time.process_time()
    with pytest.raises(InputError, match=reason):
        decode_grey(data)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    "data",
    [
        bombs.scan_jpeg(MAX_SCANS),
        bombs.segment_jpeg(1000),
        bombs.chunk_png(1000),
        bombs.run_length_bmp(200),
        encode(draw(0), "JPEG", progressive=True) + b"\xff\xda" * 200,  # after its end
        encode(draw(0), "JPEG", exif=b"Exif\0\0" + b"\xff\xda" * 200),
        encode(draw(0), "TIFF", compression="tiff_lzw"),
        encode(draw(0)) + bytes(12 * MAX_PARTS),
    ],
)
def test_what_programs_write_is_decoded(data):
    assert decode_grey(data).shape == (1, 20, 40)


def test_a_plain_bmp_may_be_as_large_as_its_pixels():
    assert len(data := encode(draw(0, size=(2000, 1000)), "BMP")) > MAX_RUN_LENGTH_BYTES
    assert decode_grey(data).shape == (1, 20, 40)


@pytest.mark.parametrize("head", [b"II*\0", b"MM\0*", b"II+\0", b"\xff\xd8", b"\x89PNG", b"BM"])
@pytest.mark.parametrize("rest", [b"", b"\xff" * 40, bytes(40), b"\x08\0\0\0\xff\xff"])
def test_a_header_cut_short_is_left_to_the_decoder(head, rest):
    with pytest.raises(InputError, match=r"damaged|no PNG"):
        decode_grey(head + rest)
