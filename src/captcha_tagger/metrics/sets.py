"""Pure multi-label metrics over probs and targets, both (images, labels).

A score that divides nothing by nothing is undefined: NaN, left out of a mean over labels, as
scikit-learn has it with `zero_division=np.nan`. So a label that is in no image and that nobody
claimed neither raises nor lowers the macro-F1.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.metrics.precision_recall import average_precision

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def label_accuracy(predicted: Bools, actual: Bools) -> float:
    """The share of right decisions; all-negative already gets most of them on captchas."""
    return float((predicted == actual).mean())


def exact_set(predicted: Bools, actual: Bools) -> float:
    """The share of images whose whole label set is right."""
    return float((predicted == actual).all(1).mean())


def micro_f1(predicted: Bools, actual: Bools) -> float:
    """F1 over all decisions pooled."""
    return float(_f1(*_counts(predicted.reshape(-1, 1), actual.reshape(-1, 1)))[0])


def macro_f1(predicted: Bools, actual: Bools) -> float:
    """The mean of the labels' own F1, of those that have one."""
    scores = _f1(*_counts(predicted, actual))
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if len(defined) else float("nan")


HEADLINES: dict[str, Callable[[Bools, Bools], float]] = {
    "label_accuracy": label_accuracy,
    "exact_set": exact_set,
    "micro_f1": micro_f1,
    "macro_f1": macro_f1,
}


def score(probs: Floats, targets: Floats | Bools, threshold: float) -> dict[str, float]:
    """The headline metrics at a threshold, and the threshold-free average precision.

    Average precision pools all decisions (scikit-learn's `average="micro"`).
    """
    predicted, actual = probs > threshold, targets > 0.5
    return {
        **{name: metric(predicted, actual) for name, metric in HEADLINES.items()},
        "average_precision": average_precision(probs, actual),
        "all_negative_label_accuracy": label_accuracy(np.zeros_like(actual), actual),
    }


def score_labels(
    probs: Floats, targets: Floats | Bools, threshold: float, vocabulary: list[str]
) -> list[dict[str, Any]]:
    """Precision, recall, F1, support and average precision of each label."""
    predicted, actual = probs > threshold, targets > 0.5
    hits, claimed, support = (predicted & actual).sum(0), predicted.sum(0), actual.sum(0)
    precision, recall = _share(hits, claimed), _share(hits, support)
    f1 = _f1(hits, claimed + support)
    return [
        {
            "label": label,
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "support": int(support[i]),
            "average_precision": average_precision(probs[:, i], actual[:, i])
            if support[i]
            else float("nan"),
            "threshold": threshold,
        }
        for i, label in enumerate(vocabulary)
    ]


def sigmoid(logits: Floats) -> Floats:
    """Probs (images, labels) of logits of any size, without overflow."""
    probs: Floats = np.exp(-np.logaddexp(0, -logits)).astype(np.float32)
    return probs


def binary_cross_entropy(logits: Floats, targets: Floats) -> Floats:
    """The loss of every decision (images, labels), computed stably from logits."""
    losses: Floats = (np.logaddexp(0, logits) - logits * targets).astype(np.float32)
    return losses


def _counts(predicted: Bools, actual: Bools) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hits and claims (predicted + actual) of each column."""
    hits = (predicted & actual).sum(0)
    return hits, predicted.sum(0) + actual.sum(0)


def _f1(hits: NDArray[np.int64], claims: NDArray[np.int64]) -> NDArray[np.float64]:
    return _share(2 * hits, claims)


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
