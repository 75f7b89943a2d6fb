import base64
import io

import numpy as np
from PIL import Image

from captcha_tagger.data.sheet import pick_samples
from captcha_tagger.report.thumbnails import encode_image


def decode(uri):
    header, body = uri.split(",")
    assert header == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_a_grey_image_keeps_its_look():
    pixels = np.linspace(0, 255, 50 * 200).reshape(1, 50, 200).astype(np.uint8)
    assert np.abs(decode(encode_image(pixels)) - pixels[0][:, :, None]).mean() < 3


def test_a_colour_image_keeps_its_colours():
    pixels = np.zeros((3, 16, 16), np.uint8)
    pixels[1] = 200
    red, green, blue = decode(encode_image(pixels))[8, 8]
    assert (red, blue) < (30, 30)
    assert abs(green - 200) < 15


def test_a_large_image_shrinks_to_a_card():
    assert decode(encode_image(np.zeros((1, 300, 1200), np.uint8))).shape == (120, 480, 3)


def test_samples_are_spread_over_all_rows():
    assert pick_samples(range(100), 4) == [0, 25, 50, 75]
    assert pick_samples([3, 5], 4) == [3, 5]
    assert pick_samples([]) == []
