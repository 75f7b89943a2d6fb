"""Whatever one image does to its decoder, the others of its batch are answered."""

import os

import numpy as np
import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.pixels import Shape
from captcha_tagger.predict import decoding
from captcha_tagger.predict.arrays import encode
from captcha_tagger.source.decoding import CRASH, Pixels

POISON = b"poison"


def crash_of_poison(images: list[bytes], shape: Shape) -> list[Pixels | InputError]:
    if POISON in images:
        os._exit(1)
    return decoding._decode_each(images, shape)


def test_an_image_that_crashes_its_decoder_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    images = [encode(grey), POISON, b"no image", encode(grey.T)]
    expected = decoding.decode_apart(images, Shape(1, 8, 8))
    monkeypatch.setattr(decoding, "_decode_each", crash_of_poison)
    found = decoding.decode_apart(images, Shape(1, 8, 8))
    assert np.array_equal(found[0], grey[None])
    assert str(found[1]) == CRASH
    assert str(found[2]) == str(expected[2])
    assert np.array_equal(found[3], grey.T[None])
