import numpy as np
import pytest

from captcha_tagger.evaluate.confidence import bin_confidences, cover
from captcha_tagger.evaluate.intervals import wilson


def test_bins_hold_every_image_once_and_the_share_that_is_right() -> None:
    confidences = np.array([0.2, 0.97, 0.96, 0.999, 1.0, 0.5])
    right = np.array([False, True, False, True, True, True])
    rows = bin_confidences(confidences, right)
    assert [row[:3] for row in rows] == [[0, 0.5, 1], [0.5, 0.8, 1], [0.95, 0.98, 2], [0.995, 1, 2]]
    assert rows[2][3:] == pytest.approx([0.965, 0.5, *wilson(1, 2)])


def test_the_surest_are_answered_first_and_equals_together() -> None:
    confidences = np.array([0.5, 0.9, 0.9, 0.99])
    right = np.array([False, True, False, True])
    assert cover(confidences, right) == [
        [1, 0.25, 0.99, 1.0, 0],
        [3, 0.75, 0.9, pytest.approx(2 / 3), 1],
        [4, 1.0, 0.5, 0.5, 2],
    ]
