import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.decoding import TooManyPixelsError, decode, decode_sized
from tests.hostile import draw, encode, png

SHAPE = {"height": 20, "width": 40, "max_pixels": 1_000_000}


def decode_grey(data):
    return decode(data, channels=1, **SHAPE)[0]


def decode_rgb(data):
    return decode(data, channels=3, **SHAPE).transpose(1, 2, 0)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_lossless_files_keep_every_pixel(kind, mode):
    image = draw(1, mode).quantize(16).convert(mode) if kind == "GIF" else draw(1, mode)
    data = encode(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert np.array_equal(decode_rgb(data), np.asarray(image.convert("RGB")))
    assert np.array_equal(decode_grey(data), np.asarray(image.convert("L")))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_is_near_its_original(mode):
    image = draw(2, mode)
    pixels = decode_rgb(encode(image, "JPEG", quality=95, subsampling=0)).astype(float)
    assert np.abs(pixels - np.asarray(image.convert("RGB"))).mean() < 3


@pytest.mark.parametrize("mode", ["P", "1", "LA"])
def test_palette_bilevel_and_grey_with_alpha_are_read(mode):
    image = draw(3, mode)
    assert np.array_equal(decode_grey(encode(image)), np.asarray(image.convert("RGB").convert("L")))


def test_transparency_shows_white():
    image = draw(4, "RGBA")
    image.putalpha(0)
    assert (decode_rgb(encode(image)) == 255).all()
    image.putalpha(128)
    expected = (np.asarray(draw(4)).astype(float) * 128 + 255 * 127) / 255
    assert np.abs(decode_rgb(encode(image)) - expected).max() <= 1


def test_a_transparent_palette_colour_shows_white():
    image = draw(5).quantize(4)
    pixels = decode_rgb(encode(image, transparency=0))
    assert (pixels[np.asarray(image) == 0] == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(kind):
    wide = np.linspace(0, 65535, 800).reshape(20, 40).astype(np.uint16)
    assert np.abs(decode_grey(encode(Image.fromarray(wide), kind)) - wide / 257).max() <= 0.5


def test_the_transparent_grey_of_a_deep_png_shows_white():
    """It was lost: captchas on a transparent ground came out with the ground's own grey."""
    wide = np.full((20, 40), 257 * 99, np.uint16)
    wide[:, 20:] = 257 * 3
    pixels = decode_grey(encode(Image.fromarray(wide), transparency=257 * 3))
    assert (pixels[:, :20] == 99).all()
    assert (pixels[:, 20:] == 255).all()


def test_big_endian_tiff_is_read():
    wide = Image.fromarray(np.full((20, 40), 257 * 99, ">u2"))
    assert wide.mode == "I;16B"
    assert (decode_grey(encode(wide, "TIFF")) == 99).all()


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_without_a_known_white_are_refused(kind):
    image = Image.fromarray(np.full((20, 40), 70_000, kind))
    with pytest.raises(InputError, match="no known white"):
        decode_grey(encode(image, "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_the_exif_orientation_is_applied(kind):
    upright = Image.new("L", (40, 20), 0)
    upright.paste(255, (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    found = decode_sized(encode(lying.convert("RGB"), kind, exif=exif), channels=1, **SHAPE)
    assert (found.width, found.height) == (40, 20)
    assert np.abs(found.pixels[0].astype(int) - np.asarray(upright)).mean() < 5


def test_unreadable_exif_data_do_not_cost_the_image():
    data = encode(draw(6), "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xffgarbage")
    assert decode_grey(data).shape == (20, 40)


def test_an_icc_profile_of_nonsense_is_ignored():
    assert np.array_equal(
        decode_grey(encode(draw(6), icc_profile=b"nonsense" * 99)), decode_grey(png(6))
    )


def test_of_an_animation_the_first_frame_counts():
    frames = [draw(seed).quantize(16) for seed in range(3)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.array_equal(decode_rgb(data), np.asarray(frames[0].convert("RGB")))


def test_another_size_is_fitted_and_padded_with_the_border_colour():
    image = Image.new("L", (100, 100), 200)
    image.paste(10, (40, 40, 60, 60))
    pixels = decode_grey(encode(image))
    assert (pixels[:, :10] == 200).all()
    assert (pixels[:, 30:] == 200).all()
    assert pixels[10, 20] == 10


@pytest.mark.parametrize("size", [(65_535, 1), (1, 65_535), (1, 1), (3, 900)])
def test_extreme_shapes_still_fit(size):
    assert decode_grey(encode(Image.new("L", size, 77))).tolist() == [[77] * 40] * 20


def test_an_image_bomb_is_refused_by_its_header():
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    header = b"IHDR" + size
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    data += struct.pack(">I", zlib.crc32(header)) + png(0)[33:]
    with pytest.raises(TooManyPixelsError, match="more than 1000000"):
        decode_grey(data)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", png(0)[:-40]])
def test_what_is_no_whole_image_is_refused(data):
    with pytest.raises(InputError, match=r"empty file|no PNG|damaged image"):
        decode_grey(data)


def test_a_format_outside_the_list_is_refused():
    with pytest.raises(InputError, match="no PNG, JPEG"):
        decode_grey(encode(draw(0), "PPM"))


@given(
    st.binary(max_size=300), st.integers(0, 400), st.sampled_from(["PNG", "JPEG", "GIF", "TIFF"])
)
def test_any_bytes_give_pixels_or_a_reason(junk, place, kind):
    good = encode(draw(7), kind)
    place = min(place, len(good))
    try:
        pixels = decode_grey(good[:place] + junk + good[place + len(junk) :])
    except InputError:
        return
    assert pixels.shape == (20, 40)
    assert pixels.dtype == np.uint8


def test_colour_comes_with_the_channels_first():
    pixels = decode(png(1), channels=3, **SHAPE)
    assert pixels.shape == (3, 20, 40)
    assert pixels.flags.c_contiguous
