import numpy as np
import pytest

from captcha_tagger.metrics.texts import (
    character_error_rate,
    count_edits,
    score_texts,
    text_accuracy,
)


def test_a_text_is_right_as_a_whole_or_not() -> None:
    assert text_accuracy(["abc", "acb", "ab"], ["abc", "abc", "abc"]) == pytest.approx(1 / 3)


def test_edits_are_counted_for_each_character_there_is() -> None:
    """By hand: none, two substitutions for a swap, a deletion, an insertion, everything."""
    read, actual = ["abc", "acb", "ab", "abcd", ""], ["abc"] * 5
    assert count_edits(read, actual).tolist() == [0, 2, 1, 1, 3]
    assert character_error_rate(read, actual) == pytest.approx(7 / 15)


def test_what_one_text_for_all_gets_stands_beside() -> None:
    scores = score_texts(["xy", "xz", "z"], ["xy", "xz", "z"])
    assert scores["text_accuracy"] == 1
    assert scores["character_error_rate"] == 0
    assert scores["constant_text_accuracy"] == pytest.approx(1 / 3)  # `xy`
    assert scores["constant_character_error_rate"] == pytest.approx(3 / 5)
    assert np.isfinite(list(scores.values())).all()
