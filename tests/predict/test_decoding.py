"""Whatever one image does to its decoder, the others that are asked with it are answered."""

import os

import numpy as np
import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.pixels import Shape
from captcha_tagger.predict import decoding
from captcha_tagger.predict.arrays import encode
from captcha_tagger.source.decoding import CRASH, Pixels

POISON = b"poison"
decode = decoding._decode


def crash_of_poison(image: bytes | InputError, shape: Shape) -> Pixels:
    if image == POISON:
        os._exit(1)
    return decode(image, shape)


@pytest.mark.parametrize("portion_bytes", [1, 1_000_000])
def test_an_image_that_crashes_its_decoder_costs_no_other(
    monkeypatch: pytest.MonkeyPatch, portion_bytes: int
) -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    unread = InputError("not there")
    images = [encode(grey), POISON, b"no image", unread, encode(grey.T)]
    monkeypatch.setattr(decoding, "_decode", crash_of_poison)
    monkeypatch.setattr(decoding, "PORTION_BYTES", portion_bytes)
    found = list(decoding.decode_apart(images, Shape(1, 8, 8)))
    assert np.array_equal(found[0], grey[None])
    assert str(found[1]) == CRASH
    assert str(found[2]).startswith("no PNG, JPEG")
    assert str(found[3]) == "not there"
    assert np.array_equal(found[4], grey.T[None])


def test_large_files_are_not_held_together() -> None:
    """Sixteen files of the largest size took two gigabytes."""
    made = 0

    def make() -> object:
        nonlocal made
        for _ in range(16):
            made += 1
            yield bytes(2 * decoding.PORTION_BYTES)

    answers = decoding.decode_apart(make(), Shape(1, 8, 8))
    assert isinstance(next(answers), InputError)
    assert made == 1
