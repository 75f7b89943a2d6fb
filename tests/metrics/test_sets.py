import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.special import expit
from sklearn import metrics as oracle

from captcha_tagger.metrics.precision_recall import Ranking
from captcha_tagger.metrics.sets import (
    Bools,
    binary_cross_entropy,
    count,
    exact_set,
    label_accuracy,
    macro_f1,
    micro_f1,
    score,
    score_labels,
    sigmoid,
)

SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12)
decisions = SHAPES.flatmap(
    lambda shape: st.tuples(arrays(np.bool_, shape), arrays(np.bool_, shape))
)


@settings(deadline=None)
@given(decisions)
def test_headlines_equal_scikit_learns(pair: tuple[Bools, Bools]) -> None:
    predicted, actual = pair
    counts = count(predicted, actual)
    assert label_accuracy(counts) == pytest.approx(1 - oracle.hamming_loss(actual, predicted))
    assert exact_set(counts) == oracle.accuracy_score(actual, predicted)
    for ours, average in ((micro_f1, "micro"), (macro_f1, "macro")):
        expected = oracle.f1_score(actual, predicted, average=average, zero_division=np.nan)
        assert ours(counts) == pytest.approx(expected, nan_ok=True)


def make_scores(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probs and targets (40, 4) that differ at 0.45, so that no two headlines are equal."""
    generator = np.random.default_rng(seed)
    targets = (generator.random((40, 4)) < 0.4).astype(np.float32)
    probs = np.clip(targets * 0.4 + generator.random((40, 4)) * 0.6, 0.01, 0.99)
    return probs.astype(np.float32), targets


def test_the_baseline_stands_beside_label_accuracy() -> None:
    probs, targets = make_scores()
    scores = score(Ranking(probs, targets > 0.5), probs > 0.5, targets > 0.5)
    assert scores["all_negative_label_accuracy"] == pytest.approx(1 - targets.mean())
    assert scores["average_precision"] == pytest.approx(
        oracle.average_precision_score(targets.ravel(), probs.ravel())
    )


def test_labels_are_scored_one_by_one() -> None:
    probs, targets = make_scores()
    rows = score_labels(probs, probs > 0.45, targets > 0.5, 0.45, ["a", "b", "c", "d"])
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        targets, probs > 0.45, average=None
    )
    for i, row in enumerate(rows):
        assert (row["precision"], row["recall"], row["f1"]) == (precision[i], recall[i], f1[i])
        assert row["support"] == support[i]


def test_a_label_that_is_nowhere_has_no_score() -> None:
    """scikit-learn would warn and call it 0, which reads like a failure."""
    probs, targets = make_scores()
    targets[:, 2], probs[:, 2] = 0, 0.1
    row = score_labels(probs, probs > 0.45, targets > 0.5, 0.45, ["a", "b", "c", "d"])[2]
    assert row["support"] == 0
    assert np.isnan([row["precision"], row["recall"], row["f1"], row["average_precision"]]).all()


def test_labels_that_are_nowhere_do_not_raise_the_macro_f1() -> None:
    """Each counted as 1: a model that finds one of two labels had 0.95 with 18 labels unseen."""
    targets = np.zeros((40, 20), np.float32)
    targets[::2, 0], targets[1::2, 1] = 1, 1
    probs = np.full_like(targets, 0.1)
    probs[:, 0] = targets[:, 0]
    scores = score(Ranking(probs, targets > 0.5), probs > 0.5, targets > 0.5)
    labels = list(map(str, range(20)))
    rows = score_labels(probs, probs > 0.5, targets > 0.5, 0.5, labels)
    table = [row["f1"] for row in rows]
    assert scores["macro_f1"] == pytest.approx(0.5) == np.nanmean(table)


def test_losses_are_those_of_the_probs_and_stay_finite() -> None:
    logits = np.array([[-500.0, 0.3, 500.0]], np.float32)
    targets = np.array([[1, 1, 0]], np.float32)
    losses = binary_cross_entropy(logits, targets)
    assert losses[0] == pytest.approx([500, -np.log(1 / (1 + np.exp(-0.3))), 500], rel=1e-6)


def test_sigmoid_is_exact_at_the_ends_and_never_overflows() -> None:
    logits = np.array([[-1e4, -100.0, -1.0, 0.0, 1.0, 100.0, 1e4]], np.float32)
    with np.errstate(over="raise"):
        probs = sigmoid(logits)
    assert probs.dtype == np.float32
    assert probs[0] == pytest.approx(expit(logits[0].astype(float)), rel=1e-6, abs=1e-44)
