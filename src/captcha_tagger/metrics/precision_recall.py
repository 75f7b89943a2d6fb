"""Precision and recall at every threshold, from sorted probs.

Probs and whether each label is there, of any one shape -> scores. They are scikit-learn's, which
needs seven 64-bit arrays as long as all decisions. This module needs one 32-bit array of that
length, and two, of 32 and 64 bits, as long as the labels that are there. `allocate` makes them, in
memory or on disk.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.metrics.scratch import Allocate, blocks, join

BLOCK = 100_000  # probs counted at a time, in arrays twice as wide

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
Points = NDArray[np.float64]


def average_precision(ranking: "Ranking") -> float:
    """The mean, over the labels that are there, of the precision at each one's own prob."""
    precision = (hits / claims for hits, claims in map(ranking.count, ranking.hits()))
    return float(join(ranking.allocate((len(ranking.found),), np.float64), precision).mean())


def precision_recall(ranking: "Ranking", points: int) -> tuple[Points, Points, Floats]:
    """Precision, recall and threshold at up to so many of the probs, evenly spaced, rising."""
    thresholds = ranking.pick(spread(ranking.num_distinct, points))
    hits, claims = ranking.count(thresholds)
    return hits / claims, hits / len(ranking.found), thresholds


def spread(length: int, points: int) -> Integers:
    """Up to so many numbers below the length, evenly spaced, rising."""
    return np.unique(np.linspace(0, length - 1, points).astype(int))


class Ranking:
    """All probs, and those of labels that are there, each sorted."""

    def __init__(self, probs: Floats, actual: Bools, allocate: Allocate = np.empty) -> None:
        self.allocate = allocate
        rows = blocks(len(probs), max(1, BLOCK * len(probs) // max(1, probs.size)))
        num_found = sum(int(np.count_nonzero(actual[block])) for block in rows)
        self.every = join(
            allocate((probs.size,), probs.dtype), (probs[block].ravel() for block in rows)
        )
        self.found = join(
            allocate((num_found,), probs.dtype), (probs[block][actual[block]] for block in rows)
        )
        self.every.sort()
        self.found.sort()

    def count(self, thresholds: Floats) -> tuple[Integers, Integers]:
        """How many labels that are there, and how many at all, have each threshold or more."""
        hits = len(self.found) - np.searchsorted(self.found, thresholds)
        return hits, len(self.every) - np.searchsorted(self.every, thresholds)

    def hits(self) -> Iterator[Floats]:
        """The probs of labels that are there, rising, some at a time."""
        return (self.found[block] for block in blocks(len(self.found), BLOCK))

    @property
    def num_distinct(self) -> int:
        return sum(len(values) for values in self._distinct())

    def pick(self, numbers: Integers) -> Floats:
        """The distinct probs of these numbers, rising, counted from the lowest."""
        picked, start = [], 0
        for values in self._distinct():
            inside = numbers[(numbers >= start) & (numbers < start + len(values))]
            picked.append(values[inside - start])
            start += len(values)
        return np.concatenate(picked)

    def _distinct(self) -> Iterator[Floats]:
        """Each prob once, rising, some at a time."""
        for block in blocks(len(self.every), BLOCK):
            values = self.every[block]
            before = self.every[block.start - 1] if block.start else np.nan
            yield values[values != np.append(before, values[:-1])]
