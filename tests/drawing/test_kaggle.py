import numpy as np
import pytest

from captcha_tagger.drawing.effects import Amounts
from captcha_tagger.drawing.kaggle import draw_kaggle


def draw(*texts):
    return draw_kaggle(texts, np.random.default_rng(0))


def test_a_captcha_is_dark_text_on_a_ground_that_grows_lighter_to_the_right():
    pixels = draw("bny23").pixels[0].numpy()
    assert pixels.shape == (50, 200)
    assert pixels.dtype == np.uint8
    assert pixels.min() < 20
    assert pixels[:, 190:].mean() - pixels[:, :10].mean() > 40


def test_a_long_text_stays_inside_the_image():
    pixels = draw("m" * 12).pixels[0].numpy()
    assert pixels[:, 192:].min() > 180


def test_characters_follow_each_other_closely():
    centres = draw("bny23", "gm8wp").centres
    for places in centres:
        assert places[0] == pytest.approx(42, abs=14)
        assert all(10 < step < 45 for step in places.diff().tolist())


def test_less_spread_draws_from_the_middle_of_each_range():
    amounts = Amounts(1000, np.random.default_rng(0), spread=0.5).draw(0, 4)
    assert 1 <= amounts.min() < 1.1
    assert 2.9 < amounts.max() <= 3
