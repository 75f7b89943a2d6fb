"""95 % intervals over images: by how much a score would move with other images of the kind."""

from collections.abc import Sequence

import numpy as np

from captcha_tagger.metrics.sets import HEADLINES, Bools, Floats
from captcha_tagger.metrics.texts import Integers, error_rate

Z95 = 1.959963984540054

Interval = dict[str, float]  # low, high


def intervals(
    probs: Floats, targets: Floats | Bools, threshold: float, *, resamples: int, seed: int
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
    return {name: _widen(values, unseen[name]) for name, values in draws.items()}


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
    edits: Integers, characters: Integers, *, resamples: int, seed: int
) -> dict[str, Interval]:
    """A 95 % interval for each metric of texts, over images; both arguments are (images,).

    Whole texts are a proportion of images: Wilson's. Characters: the bootstrap of `resample_texts`.
    """
    found = resample_texts(edits[None], characters, resamples=resamples, seed=seed)
    low, high = wilson(int((edits == 0).sum()), len(edits))
    return {**found, "text_accuracy": {"low": low, "high": high}}


def resample_texts(
    edits: Integers, characters: Integers, *, resamples: int, seed: int
) -> dict[str, Interval]:
    """As `resample_images`, of edits (repeats, images) and the characters there are (images,)."""
    images = len(characters)
    generator = np.random.default_rng(seed)
    accuracies, rates = [], []
    for _ in range(resamples):
        picks = generator.integers(images, size=images)
        accuracies.append(float((edits[:, picks] == 0).mean()))
        rates.append(error_rate(edits[:, picks], characters[picks]))
    unseen = wilson(0, images)[1]
    return {
        "text_accuracy": _widen(accuracies, unseen),
        "character_error_rate": _widen(rates, unseen * images / int(characters.sum())),
    }


def _widen(values: Sequence[float], unseen: float) -> Interval:
    """The percentile interval, as far at least as what no image shows allows from both ends."""
    low, high = np.quantile(values, [0.025, 0.975]).tolist()
    return {"low": min(1 - unseen, low), "high": max(unseen, high)}


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion."""
    share = successes / trials
    centre = share + Z95**2 / (2 * trials)
    spread = Z95 * np.sqrt(share * (1 - share) / trials + Z95**2 / (4 * trials**2))
    scale = 1 + Z95**2 / trials
    return float(max(0.0, (centre - spread) / scale)), float(min(1.0, (centre + spread) / scale))
