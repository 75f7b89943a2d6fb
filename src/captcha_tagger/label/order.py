"""In which order images are worth labelling: the least sure and the most different first.

Features and confidences of all images, and which of them are labelled -> the rest in order. Each
pick is the image with the largest product of doubt and distance from what is picked or labelled
already, so that near-doubles come late. Sources: Gonzalez, "Clustering to minimize the maximum
intercluster distance" (1985), whose farthest-first traversal that is without the doubt; Sener and
Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach" (2018).
"""

import numpy as np
from numpy.typing import NDArray

PICKS = 500  # in this order; whoever comes so far trains, and the rest is ordered anew
LEAST_DOUBT = 1e-3  # so that distance still orders images that are all sure


def order_images(
    features: NDArray[np.float32], confidences: NDArray[np.float64], labelled: NDArray[np.bool_]
) -> list[int]:
    """The rows that are not labelled: so many by doubt and distance, the others by doubt alone.

    Features (images, channels), confidences and labelled (images,).
    """
    doubts = np.where(labelled, -1.0, np.maximum(1 - confidences, LEAST_DOUBT))
    directions = _normalize(features)
    distances = np.full(len(directions), 2.0)
    for row in np.flatnonzero(labelled).tolist():
        _approach(distances, directions, row)
    picks: list[int] = []
    while len(picks) < min(PICKS, int((~labelled).sum())):
        pick = int(np.argmax(doubts * distances))
        picks.append(pick)
        doubts[pick] = -1.0  # never again
        _approach(distances, directions, pick)
    rest = np.argsort(-doubts, kind="stable")
    return [*picks, *rest[doubts[rest] > 0].tolist()]


def _normalize(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Directions from the mean image (images, channels), of length 1."""
    centred = features - features.mean(0)
    scaled = centred / np.maximum(centred.std(0), 1e-6)
    return scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-6)


def _approach(distances: NDArray[np.float64], directions: NDArray[np.float32], row: int) -> None:
    """Let each distance, 1 minus the cosine, be to the nearest of the picks and this row."""
    np.minimum(distances, 1 - directions @ directions[row], out=distances)
    np.maximum(distances, 0, out=distances)
