import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.pixels import Shape
from captcha_tagger.serve.decoder import BusyError, Decoder
from captcha_tagger.source.decoding_process import DecodingProcess
from tests.hostile import png

SHAPE = Shape(1, 20, 40)


def test_one_of_several_images_that_cannot_be_used_is_named() -> None:
    with DecodingProcess(max_pixels=10_000, max_seconds=60) as process:
        decoder = Decoder(SHAPE, process)
        with pytest.raises(InputError, match=r"^image 1: damaged image"):
            decoder.decode([png(0), png(1)[:50]])
        assert [pixels.shape for pixels in decoder.decode([png(0), png(1)])] == [SHAPE] * 2


def test_who_waits_too_long_for_others_is_told() -> None:
    with DecodingProcess(max_pixels=10_000, max_seconds=0.01) as process:
        decoder = Decoder(SHAPE, process)
        with decoder._turn, pytest.raises(BusyError):
            decoder.decode([png(0)])
