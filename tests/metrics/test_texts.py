import numpy as np
import pytest

from captcha_tagger.metrics.texts import (
    count_characters,
    count_edits,
    error_rate,
    score_texts,
    text_accuracy,
)


def test_a_text_is_right_as_a_whole_or_not() -> None:
    assert text_accuracy(count_edits(["abc", "acb", "ab"], ["abc"] * 3)) == pytest.approx(1 / 3)


def test_edits_are_counted_for_each_character_there_is() -> None:
    """By hand: none, two substitutions for a swap, a deletion, an insertion, everything."""
    read, actual = ["abc", "acb", "ab", "abcd", ""], ["abc"] * 5
    edits = count_edits(read, actual)
    assert edits.tolist() == [0, 2, 1, 1, 3]
    assert error_rate(edits, count_characters(actual)) == pytest.approx(7 / 15)


def test_what_one_text_for_all_gets_stands_beside() -> None:
    texts = ["xy", "xz", "z"]
    scores = score_texts(count_edits(texts, texts), count_characters(texts), texts)
    assert scores["text_accuracy"] == 1
    assert scores["character_error_rate"] == 0
    assert scores["constant_text_accuracy"] == pytest.approx(1 / 3)  # `xy`
    assert scores["constant_character_error_rate"] == pytest.approx(3 / 5)
    assert np.isfinite(list(scores.values())).all()
