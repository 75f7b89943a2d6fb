import os
import signal

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.pixels import Shape
from captcha_tagger.serve.decoder import BusyError, Decoder
from tests.hostile import png

SHAPE = Shape(1, 20, 40)


def test_an_image_that_takes_too_long_ends_with_its_process() -> None:
    with Decoder(SHAPE, max_pixels=10_000, max_seconds=1e-6) as decoder:
        before = decoder._pid
        with pytest.raises(InputError, match="takes more than 1e-06 seconds"):
            decoder.decode([png(0)])
        assert decoder._pid != before
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)


def test_a_process_that_dies_over_an_image_is_replaced() -> None:
    with Decoder(SHAPE, max_pixels=10_000, max_seconds=60) as decoder:
        os.kill(decoder._pid, signal.SIGKILL)
        with pytest.raises(InputError, match="image 0: damaged image: it crashes its decoder"):
            decoder.decode([png(0), png(1)])
        assert [pixels.shape for pixels in decoder.decode([png(0), png(1)])] == [SHAPE] * 2


def test_who_waits_too_long_for_others_is_told() -> None:
    with (
        Decoder(SHAPE, max_pixels=10_000, max_seconds=0.01) as decoder,
        decoder._turn,
        pytest.raises(BusyError),
    ):
        decoder.decode([png(0)])
