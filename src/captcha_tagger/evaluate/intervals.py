"""95 % intervals over images: by how much a score would move with other images of the kind."""

from collections.abc import Sequence

import numpy as np

from captcha_tagger.metrics.sets import HEADLINES, Bools, Floats
from captcha_tagger.metrics.texts import count_characters, count_edits, error_rate

Z95 = 1.959963984540054

Interval = dict[str, float]  # low, high


def intervals(
    probs: Floats, targets: Floats, threshold: float, *, resamples: int, seed: int
) -> dict[str, Interval]:
    """A 95 % interval for each headline metric, over images.

    The exact set is a proportion of images: Wilson's score interval. The others count several
    decisions an image: the bootstrap of `resample_images`.
    Source: Wilson (1927).
    """
    predicted, actual = probs > threshold, targets > 0.5
    found = resample_images(predicted[None], actual, resamples=resamples, seed=seed)
    low, high = wilson(int((predicted == actual).all(1).sum()), len(actual))
    return {**found, "exact_set": {"low": low, "high": high}}


def resample_images(
    predicted: Bools, actual: Bools, *, resamples: int, seed: int
) -> dict[str, Interval]:
    """The percentile bootstrap over images of each headline metric, pooled over repeats.

    `predicted` is (repeats, images, labels): models that differ in their seed say no more about
    other images than one does, so an image is drawn with all of its repeats. What no image shows
    cannot vary by drawing: an interval reaches at least as far as the share of images that Wilson's
    interval allows where none was seen, each with one label taken for another. So a further mistake
    never raises an end.
    Source: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 3.8.
    """
    repeats, images, _ = predicted.shape
    generator = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in HEADLINES}
    for _ in range(resamples):
        picks = generator.integers(images, size=images)
        drawn, truth = np.concatenate(predicted[:, picks]), np.tile(actual[picks], (repeats, 1))
        for name, metric in HEADLINES.items():
            draws[name].append(metric(drawn, truth))
    unseen = {name: wilson(0, images)[1] * cost for name, cost in _weigh_mistake(actual).items()}
    return {
        name: {
            "low": min(1 - unseen[name], float(np.quantile(values, 0.025))),
            "high": max(unseen[name], float(np.quantile(values, 0.975))),
        }
        for name, values in draws.items()
    }


def _weigh_mistake(actual: Bools) -> dict[str, float]:
    """What each metric loses if every image takes one of its labels for another."""
    labels_per_image = actual.sum() / len(actual)
    return {
        "label_accuracy": min(1.0, 2 / actual.shape[1]),
        "exact_set": 1.0,
        "micro_f1": min(1.0, 1 / labels_per_image),
        "macro_f1": min(1.0, 1 / labels_per_image),
    }


def text_intervals(
    read: Sequence[str], actual: Sequence[str], *, resamples: int, seed: int
) -> dict[str, dict[str, float]]:
    """A 95 % interval for both metrics of texts: Wilson's, and the bootstrap over images.

    Where no character is wrong the error rate reaches from 0 up to Wilson's bound of wrong texts.
    """
    edits, characters = count_edits(read, actual), count_characters(actual)
    right = int((edits == 0).sum())
    accuracy = wilson(right, len(edits))
    rates = (0.0, 1 - accuracy[0])
    if right < len(edits):
        generator = np.random.default_rng(seed)
        samples = (generator.integers(len(edits), size=len(edits)) for _ in range(resamples))
        draws = [error_rate(edits[rows], characters[rows]) for rows in samples]
        rates = tuple(np.quantile(draws, [0.025, 0.975]))
    bounds = {"text_accuracy": accuracy, "character_error_rate": rates}
    return {name: {"low": float(low), "high": float(high)} for name, (low, high) in bounds.items()}


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion."""
    share = successes / trials
    centre = share + Z95**2 / (2 * trials)
    spread = Z95 * np.sqrt(share * (1 - share) / trials + Z95**2 / (4 * trials**2))
    scale = 1 + Z95**2 / trials
    return float(max(0.0, (centre - spread) / scale)), float(min(1.0, (centre + spread) / scale))
