"""Precision and recall at every threshold, from sorted probs.

Probs and whether each label is there, of any one shape -> scores. What scikit-learn computes, in a
twentieth of its memory: it keeps seven arrays of 64 bits as long as all decisions.
"""

import numpy as np
from numpy.typing import NDArray

BLOCK = 100_000  # probs counted at a time, in arrays twice as wide

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Points = NDArray[np.float64]


def average_precision(probs: Floats, actual: Bools) -> float:
    """The mean, over the labels that are there, of the precision at each one's own prob."""
    return float(_Ranking(probs, actual).precision_at_hits().mean())


def precision_recall(probs: Floats, actual: Bools, points: int) -> tuple[Points, Points, Floats]:
    """Precision, recall and threshold at up to so many of the probs, evenly spaced, rising."""
    ranking = _Ranking(probs, actual)
    thresholds = ranking.distinct()
    picks = np.unique(np.linspace(0, len(thresholds) - 1, points).astype(int))
    hits, claims = ranking.count(thresholds[picks])
    return hits / claims, hits / len(ranking.found), thresholds[picks]


class _Ranking:
    """All probs, and those of labels that are there, each sorted."""

    def __init__(self, probs: Floats, actual: Bools) -> None:
        self.every = np.sort(probs, axis=None)
        self.found = np.sort(probs[actual])

    def count(self, thresholds: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many labels that are there, and how many at all, have each threshold or more."""
        hits = len(self.found) - np.searchsorted(self.found, thresholds)
        return hits, len(self.every) - np.searchsorted(self.every, thresholds)

    def distinct(self) -> Floats:
        """Each prob once; `np.unique` would sort a copy of what is sorted."""
        is_first = np.ones(len(self.every), bool)
        np.not_equal(self.every[1:], self.every[:-1], out=is_first[1:])
        return self.every[is_first]

    def precision_at_hits(self) -> Points:
        precision: Points = np.empty(len(self.found))
        for start in range(0, len(self.found), BLOCK):
            hits, claims = self.count(self.found[start : start + BLOCK])
            precision[start : start + BLOCK] = hits / claims
        return precision
