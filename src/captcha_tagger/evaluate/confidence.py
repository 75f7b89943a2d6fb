"""What a text's confidence is worth: how often it is right, and what the surest answers get.

Confidences and whether each text is right (images,) -> rows of tables.
"""

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.evaluate.intervals import wilson

EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)  # finer where models are sure
COVERAGE_POINTS = 200
RELIABILITY_COLUMNS = ("from", "to", "images", "mean_confidence", "text_accuracy", "low", "high")
COVERAGE_COLUMNS = ("images", "coverage", "confidence", "text_accuracy", "wrong")

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def bin_confidences(confidences: Floats, right: Bools) -> list[list[float]]:
    """Images by confidence, and the share of right texts with its 95 % interval; RELIABILITY."""
    bins = np.clip(np.searchsorted(EDGES, confidences, side="right") - 1, 0, len(EDGES) - 2)
    rows: list[list[float]] = []
    for number in np.unique(bins).tolist():
        inside = right[bins == number]
        mean = float(confidences[bins == number].mean())
        bounds = wilson(int(inside.sum()), len(inside))
        edges = EDGES[number : number + 2]
        rows.append([*edges, len(inside), mean, float(inside.mean()), *bounds])
    return rows


def cover(confidences: Floats, right: Bools) -> list[list[float]]:
    """What answering only the surest images gets, from few to all of them; COVERAGE.

    Images of one confidence are answered together; thinned to points that a plot can tell apart.
    """
    order = np.argsort(-confidences, kind="stable")
    sorted_confidences, wrong = confidences[order], np.cumsum(~right[order])
    ends = np.flatnonzero(np.append(np.diff(sorted_confidences) < 0, True))
    picks = ends[np.unique(np.linspace(0, len(ends) - 1, COVERAGE_POINTS).astype(int))]
    return [
        [
            int(end) + 1,
            float(end + 1) / len(order),
            float(sorted_confidences[end]),
            float(1 - wrong[end] / (end + 1)),
            int(wrong[end]),
        ]
        for end in picks
    ]
