"""Probs by bins: how many lie in each, what share of them is true, and their mean."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.metrics.scratch import Allocate, blocks, join
from captcha_tagger.metrics.sets import BLOCK_IMAGES, Bools

Probs = NDArray[Any]  # of floats


class Bin(NamedTuple):
    """One that is not empty: its number, how many probs it holds, how many are of what is true."""

    number: int
    size: int
    true: int
    mean: float


def bin_probs(
    probs: Probs,
    true: Bools,
    assign: Callable[[Probs], NDArray[Any]],
    number: int,
    allocate: Allocate = np.empty,
) -> Iterator[Bin]:
    """The bins of probs of images, (images,) or (images, labels), that `assign` numbers from 0."""
    sizes, hits = np.zeros((2, number), np.int64)
    parts = blocks(len(probs), BLOCK_IMAGES)
    for part in parts:
        bins = assign(probs[part])
        sizes += np.bincount(bins.ravel(), minlength=number)
        hits += np.bincount(bins[true[part]], minlength=number)
    for one in np.flatnonzero(sizes).tolist():
        inside = (probs[part][assign(probs[part]) == one] for part in parts)
        mean = float(join(allocate((sizes[one],), probs.dtype), inside).mean())
        yield Bin(one, int(sizes[one]), int(hits[one]), mean)
