"""Everything that is counted from the final model's answers on the validation part.

The answers in data/evaluate/, the held-out texts and the model's card -> the rest of that folder.
Arrays of floats stay on the disk. What memory holds of each image is its text and the one read, two
bytes a label, and a copy of these or of the probs while they are drawn or sorted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.files import read_array, stream_array, write_table
from captcha_tagger.data.held_out import HeldOut
from captcha_tagger.data.labels import encode_texts
from captcha_tagger.evaluate.answers import ANSWERS, iterate_texts, read_logits, reads_texts
from captcha_tagger.evaluate.confidence import (
    COVERAGE_COLUMNS,
    RELIABILITY_COLUMNS,
    bin_confidences,
    cover,
)
from captcha_tagger.evaluate.intervals import intervals, text_intervals
from captcha_tagger.evaluate.params import Evaluate
from captcha_tagger.evaluate.scores import HEADLINES, write_scores
from captcha_tagger.metrics.precision_recall import precision_recall
from captcha_tagger.metrics.sets import binary_cross_entropy, score, score_labels, sigmoid
from captcha_tagger.metrics.texts import count_characters, count_edits, score_texts
from captcha_tagger.network.card import ModelCard

PROBS, LOSSES = "probs.npy", "losses.npy"
CURVE_POINTS = 200
CALIBRATION_BINS = 10
BLOCK_IMAGES = 10_000

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Decisions:
    """Which labels are predicted, and which are there: both (images, labels)."""

    predicted: Bools
    actual: Bools


@dataclass(frozen=True)
class Texts:
    """What was read in each image, and how sure that is (images,)."""

    read: list[str]
    confidences: NDArray[np.float64]


def evaluate(images: HeldOut, card: ModelCard, params: Evaluate, folder: Path) -> dict[str, Any]:
    """Score the answers in the folder at the model's threshold, or the params'.

    Writes there what is counted from them, and returns the scores.
    """
    threshold = card.threshold if params.threshold == "model" else params.threshold
    decisions = _decide(images, card.vocabulary, threshold, folder)
    texts = _read_texts(folder / ANSWERS, len(images))
    probs = read_array(folder / PROBS)
    text_scores, text_bounds = _score_texts(texts, images.texts, params)
    bounds = intervals(
        probs, decisions.actual, threshold, resamples=params.resamples, seed=params.seed
    )
    scores = {
        **score(probs, decisions.actual, threshold),
        **text_scores,
        "intervals": bounds | text_bounds,
        "loss": float(read_array(folder / LOSSES).mean()),
        "images": len(images),
        "threshold": threshold,
    }
    write_scores(folder, scores)
    labels = score_labels(probs, decisions.actual, threshold, card.vocabulary)
    write_table(folder / "labels.csv", list(labels[0]), (list(row.values()) for row in labels))
    _write_predictions(images, card.vocabulary, decisions, texts, folder)
    _write_precision_recall(probs, decisions.actual, folder / "precision_recall.csv")
    _write_calibration(probs, decisions.actual, folder / "calibration.csv")
    if texts is not None:
        _write_confidences(texts, images.texts, folder)
    return scores


def describe(scores: Mapping[str, Any]) -> str:
    """The scores that matter most, in a line."""
    return ", ".join(f"{name} {scores[name]:.4f}" for name in HEADLINES if name in scores)


def _decide(images: HeldOut, vocabulary: list[str], threshold: float, folder: Path) -> Decisions:
    """Write the probs and losses that follow from the logits, and return the decisions."""
    logits = read_logits(folder / ANSWERS)
    predicted, actual = np.empty(logits.shape, bool), np.empty(logits.shape, bool)
    with (
        stream_array(folder / PROBS, logits.shape, np.float32) as add_probs,
        stream_array(folder / LOSSES, logits.shape, np.float32) as add_losses,
    ):
        for start in range(0, len(logits), BLOCK_IMAGES):
            block = slice(start, start + BLOCK_IMAGES)
            targets = encode_texts(images.texts[block], vocabulary)
            probs = sigmoid(logits[block])
            add_probs(probs)
            add_losses(binary_cross_entropy(logits[block], targets))
            predicted[block], actual[block] = probs > threshold, targets > 0.5
    return Decisions(predicted, actual)


def _read_texts(answers: Path, num_images: int) -> Texts | None:
    """What the model read, where it reads."""
    if not reads_texts(answers):
        return None
    confidences = (one.confidence for one in iterate_texts(answers))
    return Texts(
        [one.text for one in iterate_texts(answers)],
        np.fromiter(confidences, np.float64, num_images),
    )


def _score_texts(
    texts: Texts | None, actual: list[str], params: Evaluate
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Scores of the texts and their intervals; none where the model does not read."""
    if texts is None:
        return {}, {}
    edits, characters = count_edits(texts.read, actual), count_characters(actual)
    bounds = text_intervals(edits, characters, resamples=params.resamples, seed=params.seed)
    return score_texts(texts.read, actual), bounds


def _write_predictions(
    images: HeldOut,
    vocabulary: list[str],
    decisions: Decisions,
    texts: Texts | None,
    folder: Path,
) -> None:
    """One line per image, the manifest's order; label sets as strings, sorted."""
    columns = ["file", "text", "labels", "predicted", "missed", "invented", "loss"]
    lines = _list_predictions(images, np.array(vocabulary), decisions, folder)
    if texts is not None:
        columns += ["read", "confidence"]
        pairs = zip(texts.read, texts.confidences.tolist(), strict=True)
        lines = (line + list(pair) for line, pair in zip(lines, pairs, strict=True))
    write_table(folder / "predictions.csv", columns, lines)


def _list_predictions(
    images: HeldOut, vocabulary: NDArray[np.str_], decisions: Decisions, folder: Path
) -> Iterator[list[Any]]:
    losses = read_array(folder / LOSSES)
    names = zip(images.files(), images.texts, strict=True)
    for number, (file, text) in enumerate(names):
        predicted, actual = decisions.predicted[number], decisions.actual[number]
        sets = [
            "".join(vocabulary[chosen])
            for chosen in (actual, predicted, actual & ~predicted, predicted & ~actual)
        ]
        yield [file, text, *sets, float(losses[number].mean())]


def _write_precision_recall(probs: Floats, actual: Bools, path: Path) -> None:
    """The curve over all decisions pooled, thinned to points that a plot can tell apart."""
    precision, recall, thresholds = precision_recall(probs, actual, CURVE_POINTS)
    lines = zip(recall.tolist(), precision.tolist(), thresholds.tolist(), strict=True)
    write_table(path, ["recall", "precision", "threshold"], lines)


def _write_calibration(probs: Floats, actual: Bools, path: Path) -> None:
    """Decisions binned by prob: how often the label was really there."""
    bins = np.empty(probs.shape, np.uint8)
    for start in range(0, len(probs), BLOCK_IMAGES):
        block = slice(start, start + BLOCK_IMAGES)
        bins[block] = np.minimum(probs[block] * CALIBRATION_BINS, CALIBRATION_BINS - 1)
    lines = [
        [float(probs[chosen].mean()), float(actual[chosen].mean()), int(chosen.sum())]
        for chosen in (bins == b for b in range(CALIBRATION_BINS))
        if chosen.any()
    ]
    write_table(path, ["mean_prob", "share_present", "decisions"], lines)


def _write_confidences(texts: Texts, actual: list[str], folder: Path) -> None:
    """How far a text's confidence can be trusted, and what answering only the sure ones gets."""
    right = np.array([one == text for one, text in zip(texts.read, actual, strict=True)])
    write_table(
        folder / "reliability.csv", RELIABILITY_COLUMNS, bin_confidences(texts.confidences, right)
    )
    write_table(folder / "coverage.csv", COVERAGE_COLUMNS, cover(texts.confidences, right))
