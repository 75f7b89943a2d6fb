"""Pure multi-label metrics over probs and decisions, all (images, labels).

They are counted block by block, so that arrays on disk need not fit into memory.

A score that divides nothing by nothing is undefined: NaN, left out of a mean over labels, as
scikit-learn has it with `zero_division=np.nan`. So a label that is in no image and that nobody
claimed neither raises nor lowers the macro-F1.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.metrics.precision_recall import Ranking, average_precision
from captcha_tagger.metrics.scratch import Allocate, blocks

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

BLOCK_IMAGES = 10_000  # counted at a time


@dataclass(frozen=True)
class Counts:
    """What decisions come to; those of several parts add up, images and labels being alike."""

    images: int
    right: int  # decisions
    exact: int  # images with no decision wrong
    hits: Integers  # (labels,) that are there and predicted
    claimed: Integers  # (labels,) predicted
    support: Integers  # (labels,) there

    def __add__(self, other: "Counts") -> "Counts":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Counts(*(one + another for one, another in pairs))


def count(predicted: Bools, actual: Bools) -> Counts:
    """Count the decisions (images, labels) of one image or more, block by block."""
    parts = blocks(len(actual), BLOCK_IMAGES)
    return reduce(add, (_count(predicted[part], actual[part]) for part in parts))


def _count(predicted: Bools, actual: Bools) -> Counts:
    right = predicted == actual
    return Counts(
        len(right),
        int(right.sum()),
        int(right.all(1).sum()),
        (predicted & actual).sum(0),
        predicted.sum(0),
        actual.sum(0),
    )


def label_accuracy(counts: Counts) -> float:
    """The share of right decisions; all-negative already gets most of them on captchas."""
    return counts.right / (counts.images * len(counts.support))


def exact_set(counts: Counts) -> float:
    """The share of images whose whole label set is right."""
    return counts.exact / counts.images


def micro_f1(counts: Counts) -> float:
    """F1 over all decisions pooled."""
    return float(_f1(counts.hits.sum(), counts.claimed.sum() + counts.support.sum()))


def macro_f1(counts: Counts) -> float:
    """The mean of the labels' own F1, of those that have one."""
    scores = _f1(counts.hits, counts.claimed + counts.support)
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if len(defined) else float("nan")


HEADLINES: dict[str, Callable[[Counts], float]] = {
    "label_accuracy": label_accuracy,
    "exact_set": exact_set,
    "micro_f1": micro_f1,
    "macro_f1": macro_f1,
}


def score(ranking: Ranking, predicted: Bools, actual: Bools) -> dict[str, float]:
    """The headline metrics of what is predicted, and the threshold-free average precision.

    Average precision pools all decisions (scikit-learn's `average="micro"`).
    """
    counts = count(predicted, actual)
    return {
        **{name: metric(counts) for name, metric in HEADLINES.items()},
        "average_precision": average_precision(ranking),
        "all_negative_label_accuracy": label_accuracy(count_constant(False, actual)),
    }


def count_constant(answer: bool, actual: Bools) -> Counts:
    """Count what one answer to every question gets."""
    return count(np.broadcast_to(answer, actual.shape), actual)


def score_labels(
    probs: Floats,
    predicted: Bools,
    actual: Bools,
    threshold: float,
    vocabulary: list[str],
    allocate: Allocate = np.empty,
) -> list[dict[str, Any]]:
    """Precision, recall, F1, support and average precision of each label."""
    counts = count(predicted, actual)
    support = counts.support
    precision, recall = _share(counts.hits, counts.claimed), _share(counts.hits, support)
    f1 = _f1(counts.hits, counts.claimed + support)
    return [
        {
            "label": label,
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "support": int(support[i]),
            "average_precision": average_precision(Ranking(probs[:, i], actual[:, i], allocate))
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


def _f1(hits: Integers, claims: Integers) -> NDArray[np.float64]:
    """From hits and claims (predicted + actual)."""
    return _share(2 * hits, claims)


def _share(part: Integers, whole: Integers) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
