"""95 % intervals over images: by how much a score would move with other images of the kind."""

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add

import numpy as np

from captcha_tagger.metrics.scratch import blocks
from captcha_tagger.metrics.sets import BLOCK_IMAGES, HEADLINES, Bools, Integers, count
from captcha_tagger.metrics.texts import count_right

Z95 = 1.959963984540054

Interval = dict[str, float]  # low, high


def intervals(predicted: Bools, actual: Bools, *, resamples: int, seed: int) -> dict[str, Interval]:
    """A 95 % interval for each headline metric, over images.

    The exact set is a proportion of images: Wilson's score interval. The others count several
    decisions an image: the bootstrap of `resample_images`.
    Source: Wilson (1927).
    """
    found = resample_images(predicted[None], actual, resamples=resamples, seed=seed)
    low, high = wilson(count(predicted, actual).exact, len(actual))
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
    generator = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in HEADLINES}
    for _ in range(resamples):
        parts = (
            count(repeat[picks], actual[picks])
            for picks in _draw(generator, len(actual))
            for repeat in predicted
        )
        counts = reduce(add, parts)
        for name, metric in HEADLINES.items():
            draws[name].append(metric(counts))
    images = len(actual)
    unseen = {name: wilson(0, images)[1] * cost for name, cost in _weigh_mistake(actual).items()}
    return {name: _widen(values, unseen[name]) for name, values in draws.items()}


def _draw(generator: np.random.Generator, images: int) -> Iterator[Integers]:
    """As many images as there are, drawn with replacement, a block at a time."""
    for part in blocks(images, BLOCK_IMAGES):
        yield generator.integers(images, size=min(images, part.stop) - part.start)


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
    low, high = wilson(count_right(edits), len(edits))
    return {**found, "text_accuracy": {"low": low, "high": high}}


def resample_texts(
    edits: Integers, characters: Integers, *, resamples: int, seed: int
) -> dict[str, Interval]:
    """As `resample_images`, of edits (repeats, images) and the characters there are (images,)."""
    images = len(characters)
    generator = np.random.default_rng(seed)
    accuracies, rates = [], []
    for _ in range(resamples):
        right = num_edits = num_characters = 0
        for picks in _draw(generator, images):
            drawn = edits[:, picks]
            right += count_right(drawn)
            num_edits += int(drawn.sum())
            num_characters += int(characters[picks].sum())
        accuracies.append(right / edits.size)
        rates.append((num_edits / edits.size) / (num_characters / images))
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
