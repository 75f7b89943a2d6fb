import pytest
from scipy.stats import binomtest

from captcha_tagger.evaluate.intervals import intervals, text_intervals, wilson
from captcha_tagger.metrics.sets import score
from tests.metrics.test_sets import make_scores


def test_intervals_contain_their_metric_and_repeat() -> None:
    probs, targets = make_scores()
    scores = score(probs, targets, 0.45)
    bounds = intervals(probs, targets, 0.45, resamples=200, seed=0)
    assert bounds == intervals(probs, targets, 0.45, resamples=200, seed=0)
    assert set(bounds) == {"label_accuracy", "exact_set", "micro_f1", "macro_f1"}
    for name, bound in bounds.items():
        assert 0 <= bound["low"] <= scores[name] <= bound["high"] <= 1


def test_a_perfect_score_is_not_certain() -> None:
    _, targets = make_scores()
    bounds = intervals(targets, targets, 0.5, resamples=100, seed=0)
    assert all(0.85 < bound["low"] < 1 == bound["high"] for bound in bounds.values())


def test_intervals_of_texts_contain_their_metric_and_repeat() -> None:
    actual = ["abcde"] * 40
    read = [*actual[:35], "abcd", "abce", "abcdf", "abcdee", "b"]
    bounds = text_intervals(read, actual, resamples=200, seed=0)
    assert bounds == text_intervals(read, actual, resamples=200, seed=0)
    assert bounds["text_accuracy"]["low"] < 35 / 40 < bounds["text_accuracy"]["high"]
    assert 0 < bounds["character_error_rate"]["low"] < 8 / 200
    assert 8 / 200 < bounds["character_error_rate"]["high"] < 0.15
    bounds = text_intervals(actual, actual, resamples=100, seed=0)
    assert bounds["character_error_rate"] == {"low": 0, "high": pytest.approx(0.088, abs=1e-3)}


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (7, 10), (180, 180)])
def test_wilson_equals_scipys(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high))
