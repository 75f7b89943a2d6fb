import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn import metrics as oracle

from captcha_tagger.metrics import precision_recall as module
from captcha_tagger.metrics.precision_recall import Ranking, average_precision, precision_recall

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=8)
# Few different probs, so that many are equal.
ranked = SHAPES.flatmap(
    lambda shape: st.tuples(
        arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])),
        arrays(np.bool_, shape),
    )
).filter(lambda pair: pair[1].any())


@settings(deadline=None)
@given(ranked)
def test_average_precision_equals_scikit_learns(pair: tuple[np.ndarray, np.ndarray]) -> None:
    probs, actual = pair
    expected = oracle.average_precision_score(actual.ravel(), probs.ravel())
    assert average_precision(Ranking(probs, actual)) == pytest.approx(expected)


@settings(deadline=None)
@given(ranked)
def test_the_curve_is_scikit_learns(pair: tuple[np.ndarray, np.ndarray]) -> None:
    probs, actual = pair
    precision, recall, thresholds = oracle.precision_recall_curve(actual.ravel(), probs.ravel())
    for found, expected in zip(
        precision_recall(Ranking(probs, actual), 100),
        (precision[:-1], recall[:-1], thresholds),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    probs = np.linspace(0, 1, 10_000, dtype=np.float32)
    _, recall, thresholds = precision_recall(Ranking(probs, probs > 0.5), 200)
    assert len(thresholds) == 200
    assert (thresholds[0], thresholds[-1], recall[0]) == (0, 1, 1)


@pytest.mark.parametrize("decimals", [1, 7])
def test_how_many_are_counted_at_a_time_changes_no_bit(
    decimals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    probs = random.random((500, 3), np.float32).round(decimals)
    actual = random.random(probs.shape) < probs
    whole = average_precision(Ranking(probs, actual)), precision_recall(Ranking(probs, actual), 50)
    monkeypatch.setattr(module, "BLOCK", 7)
    assert average_precision(Ranking(probs, actual)) == whole[0]
    for found, expected in zip(precision_recall(Ranking(probs, actual), 50), whole[1], strict=True):
        np.testing.assert_array_equal(found, expected)
