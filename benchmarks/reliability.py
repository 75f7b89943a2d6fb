"""What the confidence of a text is worth: is it kept, and what do the surest answers get?

Confidences and whether each text is right (seeds, images) -> rows and columns of a table. However
many seeds answer about an image, it is one: it counts by the mean of those answers.
"""

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.evaluate.confidence import EDGES
from captcha_tagger.evaluate.intervals import wilson

SHARES = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8)  # of the images, the surest

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Table = tuple[list[list[object]], list[str]]


def tabulate_reliability(confidences: Floats, right: Bools) -> Table:
    """A row a bin: do the confidences' mean and the share of right texts agree?"""
    bins = np.clip(np.searchsorted(EDGES, confidences, side="right") - 1, 0, len(EDGES) - 2)
    rows: list[list[object]] = []
    for number in np.unique(bins).tolist():
        inside = bins == number
        images = inside.any(0)
        shares = (right & inside).sum(0)[images] / inside.sum(0)[images]
        mean, (low, high) = confidences[inside].mean(), wilson(shares.sum(), len(shares))
        agree = "yes" if low <= mean <= high else "no"
        edges = f"{EDGES[number]:g} to {EDGES[number + 1]:g}"
        rows.append([edges, len(shares), mean, shares.mean(), low, high, agree])
        rows[-1] += _count_seeds(right & inside, inside)
    columns = ["confidence", "images", "mean", "texts right", "95 % from", "to", "mean inside"]
    return rows, columns + _name_seeds(right)


def tabulate_coverage(confidences: Floats, right: Bools) -> Table:
    """A row a share of the images: how many of the wrong texts are among the surest answers."""
    rows: list[list[object]] = []
    for share in SHARES:
        left = find_left(confidences, right, share)
        rows.append([f"{share:.0%}", f"{left.sum()} of {(~right).sum()}"])
        rows[-1] += _count_seeds(left, ~right)
    return rows, ["surest images", "wrong texts among them", *_name_seeds(right)]


def find_left(confidences: Floats, right: Bools, share: float) -> Bools:
    """The wrong texts among such a share of each seed's answers, the surest (seeds, images)."""
    order = np.argsort(-confidences, axis=1, kind="stable")[:, : round(share * right.shape[1])]
    answered = np.zeros(right.shape, bool)
    np.put_along_axis(answered, order, True, axis=1)
    return answered & ~right


def _count_seeds(some: Bools, every: Bools) -> list[str]:
    return [f"{a} of {b}" for a, b in zip(some.sum(1), every.sum(1), strict=True)]


def _name_seeds(right: Bools) -> list[str]:
    return [f"seed {seed}" for seed in range(len(right))]
