"""95 % intervals over images: by how much a score would move with other images of the kind."""

from collections.abc import Sequence

import numpy as np

from captcha_tagger.metrics.sets import HEADLINES, Floats
from captcha_tagger.metrics.texts import count_characters, count_edits, error_rate

Z95 = 1.959963984540054


def intervals(
    probs: Floats, targets: Floats, threshold: float, *, resamples: int, seed: int
) -> dict[str, dict[str, float]]:
    """A 95 % interval for each headline metric.

    The exact set is a proportion of images: Wilson's score interval. The others count several
    decisions per image, so whole images are resampled: the percentile bootstrap, widened to
    contain Wilson's bound when no image is wrong and resampling has nothing to vary.
    Sources: Wilson (1927); Efron and Tibshirani, "An Introduction to the Bootstrap" (1993).
    """
    predicted, actual = probs > threshold, targets > 0.5
    generator = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in HEADLINES}
    for _ in range(resamples):
        rows = generator.integers(len(actual), size=len(actual))
        for name, metric in HEADLINES.items():
            if name != "exact_set":
                draws[name].append(metric(predicted[rows], actual[rows]))
    bounds = {
        name: tuple(np.quantile(values, [0.025, 0.975])) for name, values in draws.items() if values
    }
    if (predicted == actual).all():
        lowest = wilson(len(actual), len(actual))[0]
        bounds = dict.fromkeys(bounds, (lowest, 1.0))
    bounds["exact_set"] = wilson(int((predicted == actual).all(1).sum()), len(actual))
    return {name: {"low": float(low), "high": float(high)} for name, (low, high) in bounds.items()}


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
