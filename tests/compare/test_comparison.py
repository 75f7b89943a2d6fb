"""Two evaluations side by side."""

import json
from pathlib import Path

import pytest
from scipy.stats import binomtest

from captcha_tagger.base.errors import InputError
from captcha_tagger.compare.comparison import Side, compare, format_comparison, pair, read_side

BOUNDS = {"low": 0.1, "high": 0.9}


def make_side(name: str, right: str, params: dict[str, str] | None = None, f1: float = 0.5) -> Side:
    """A side whose images are right where the string says `+`."""
    scores = dict.fromkeys(("label_accuracy", "exact_set", "micro_f1", "macro_f1"), 0.5)
    exact = {(f"{i}.png", "ab"): mark == "+" for i, mark in enumerate(right)}
    intervals = dict.fromkeys(scores, BOUNDS)
    return Side(name, params or {}, {**scores, "intervals": intervals}, {"a": f1, "b": 1.0}, exact)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (0, 6), (3, 11), (5, 5), (40, 21)])
def test_the_paired_test_is_the_exact_binomial_one(only_a: int, only_b: int) -> None:
    a = make_side("a", "+" * only_a + "-" * only_b + "++")
    b = make_side("b", "-" * only_a + "+" * only_b + "++")
    found = pair(a, b)
    assert (found.only_a, found.only_b) == (only_a, only_b)
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert found.p == pytest.approx(expected)


def test_only_what_differs_is_listed() -> None:
    found = compare(
        make_side("a", "+", {"seed": "1", "epochs": "2"}, f1=0.25),
        make_side("b", "+", {"seed": "1", "epochs": "3"}),
    )
    assert found.params == [("epochs", "2", "3")]
    assert found.labels == [("a", 0.25, 0.5)]
    assert found.metrics[0] == ("label_accuracy", *["0.5000 (0.1000 to 0.9000)"] * 2)


def test_other_validation_images_are_not_paired() -> None:
    a, b = make_side("a", "+-"), make_side("b", "+")
    assert compare(a, b).paired is None
    assert "not the same validation images" in format_comparison(a, b)


def test_the_text_says_whether_it_is_more_than_chance() -> None:
    a, b = make_side("a", "-" * 12), make_side("b", "+" * 12, f1=0.75)
    text = format_comparison(a, b)
    assert "more than chance" in text
    assert "a 0.500 -> 0.750" in text


def test_a_folder_without_an_evaluation_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"x: not evaluated, predictions\.csv is missing"):
        read_side("x", tmp_path, {})
