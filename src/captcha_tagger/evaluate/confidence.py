"""What a text's confidence is worth: how often it is right, and what the surest answers get.

Confidences and whether each text is right (images,) -> rows of tables.
"""

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.evaluate.intervals import wilson
from captcha_tagger.metrics.bins import bin_probs
from captcha_tagger.metrics.precision_recall import Ranking, spread
from captcha_tagger.metrics.scratch import Allocate

EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)  # finer where models are sure
COVERAGE_POINTS = 200
RELIABILITY_COLUMNS = ("from", "to", "images", "mean_confidence", "text_accuracy", "low", "high")
COVERAGE_COLUMNS = ("images", "coverage", "confidence", "text_accuracy", "wrong")

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def bin_confidences(
    confidences: Floats, right: Bools, allocate: Allocate = np.empty
) -> list[list[float]]:
    """Images by confidence, and the share of right texts with its 95 % interval; RELIABILITY."""
    rows: list[list[float]] = []
    for one in bin_probs(confidences, right, _bin, len(EDGES) - 1, allocate):
        edges, bounds = EDGES[one.number : one.number + 2], wilson(one.true, one.size)
        rows.append([*edges, one.size, one.mean, one.true / one.size, *bounds])
    return rows


def _bin(confidences: Floats) -> NDArray[np.int64]:
    return np.clip(np.searchsorted(EDGES, confidences, side="right") - 1, 0, len(EDGES) - 2)


def cover(confidences: Floats, right: Bools, allocate: Allocate = np.empty) -> list[list[float]]:
    """What answering only the surest images gets, from few to all of them; COVERAGE.

    Images of one confidence are answered together; thinned to points that a plot can tell apart.
    """
    wrong_texts = np.logical_not(right, out=allocate(right.shape, bool))
    ranking = Ranking(confidences, wrong_texts, allocate)
    last = ranking.num_distinct - 1
    picked = ranking.pick(last - spread(last + 1, COVERAGE_POINTS)[::-1])
    wrong, images = ranking.count(picked)
    rows = zip(images.tolist(), picked.tolist(), wrong.tolist(), strict=True)
    return [
        [images, images / len(right), confidence, 1 - wrong / images, wrong]
        for images, confidence, wrong in reversed([*rows])
    ]
