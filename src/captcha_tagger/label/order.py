"""In which order images are worth labelling: the least sure and the most different first.

Each pick is the image with the largest product of doubt, distance from what is picked or labelled
already, and how much it shows of labels that those show little of. So near-doubles come late, and
no label is left out because it is read with ease: a model trained on what was typed knows no other
labels. Sources: Gonzalez, "Clustering to minimize the maximum intercluster distance" (1985), whose
farthest-first traversal that is without doubt and labels; Sener and Savarese, "Active Learning for
Convolutional Neural Networks: A Core-Set Approach" (2018). benchmarks/labelling.py measures it.
"""

import numpy as np
from numpy.typing import NDArray

PICKS = 500  # in this order; whoever comes so far trains, and the rest is ordered anew
LEAST_DOUBT = 0.1  # below it images count as equally sure, and what is new in them decides


def order_images(
    features: NDArray[np.float32],
    presence: NDArray[np.float32],
    confidences: NDArray[np.float64],
    labelled: NDArray[np.bool_],
) -> list[int]:
    """The rows that are not labelled: so many by all three, the others by doubt alone.

    Features (images, channels), the prob of each label in each image (images, labels), confidences
    and labelled (images,).
    """
    doubts = np.maximum(1 - confidences, LEAST_DOUBT)
    directions = _normalize(features)
    distances = np.full(len(directions), 2.0)
    for row in np.flatnonzero(labelled).tolist():
        _approach(distances, directions, row)
    shown = presence[labelled].sum(0, dtype=np.float64)  # (labels,)
    left = ~labelled
    picks: list[int] = []
    while len(picks) < PICKS and left.any():
        values = doubts * distances * (presence @ (1 / (1 + shown)))
        pick = int(np.argmax(np.where(left, values, -1)))
        picks.append(pick)
        left[pick] = False
        shown += presence[pick]
        _approach(distances, directions, pick)
    rest = np.flatnonzero(left)
    return [*picks, *rest[np.argsort(-doubts[rest], kind="stable")].tolist()]


def _normalize(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Directions from the mean image (images, channels), of length 1."""
    centred = features - features.mean(0)
    scaled = centred / np.maximum(centred.std(0), 1e-6)
    return scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-6)


def _approach(distances: NDArray[np.float64], directions: NDArray[np.float32], row: int) -> None:
    """Let each distance, 1 minus the cosine, be to the nearest of the picks and this row."""
    np.minimum(distances, 1 - directions @ directions[row], out=distances)
    np.maximum(distances, 0, out=distances)
