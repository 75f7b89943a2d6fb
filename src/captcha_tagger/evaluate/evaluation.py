"""Everything that is counted from the final model's answers on the validation part.

The answers in data/evaluate/, the held-out texts and the model's card -> the rest of that folder.
Arrays with one entry per image stay on disk; only row numbers are in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
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
from captcha_tagger.metrics.bins import bin_probs
from captcha_tagger.metrics.precision_recall import Ranking, precision_recall
from captcha_tagger.metrics.scratch import Allocate, allocate_in, blocks, fill
from captcha_tagger.metrics.sets import (
    BLOCK_IMAGES,
    binary_cross_entropy,
    score,
    score_labels,
    sigmoid,
)
from captcha_tagger.metrics.texts import count_characters, count_edits, score_texts
from captcha_tagger.network.card import ModelCard

PROBS, LOSSES = "probs.npy", "losses.npy"
CURVE_POINTS = 200
CALIBRATION_BINS = 10

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Decisions:
    """Which labels are predicted, and which are there: both (images, labels)."""

    predicted: Bools
    actual: Bools


@dataclass(frozen=True)
class Texts:
    """How far each text as read is from the actual one, how long that is, and how sure the reading
    (images,)."""

    edits: Integers
    characters: Integers
    confidences: NDArray[np.float64]


def evaluate(images: HeldOut, card: ModelCard, params: Evaluate, folder: Path) -> dict[str, Any]:
    """Score the answers in the folder at the model's threshold, or the params'.

    Writes there what is counted from them, and returns the scores.
    """
    threshold = card.threshold if params.threshold == "model" else params.threshold
    allocate = allocate_in(folder)
    decisions = _decide(images, card.vocabulary, threshold, folder, allocate)
    predicted, actual = decisions.predicted, decisions.actual
    texts = _compare_texts(folder / ANSWERS, images.texts, allocate)
    probs = read_array(folder / PROBS)
    ranking = Ranking(probs, actual, allocate)
    text_scores, text_bounds = _score_texts(texts, images.texts, params, allocate)
    bounds = intervals(predicted, actual, resamples=params.resamples, seed=params.seed)
    scores = {
        **score(ranking, predicted, actual),
        **text_scores,
        "intervals": bounds | text_bounds,
        "loss": float(read_array(folder / LOSSES).mean()),
        "images": len(images),
        "threshold": threshold,
    }
    write_scores(folder, scores)
    labels = score_labels(probs, predicted, actual, threshold, card.vocabulary, allocate)
    write_table(folder / "labels.csv", list(labels[0]), (list(row.values()) for row in labels))
    _write_predictions(images, card.vocabulary, decisions, folder)
    _write_precision_recall(ranking, folder / "precision_recall.csv")
    _write_calibration(probs, actual, folder / "calibration.csv", allocate)
    if texts is not None:
        _write_confidences(texts, folder, allocate)
    return scores


def describe(scores: Mapping[str, Any]) -> str:
    """The scores that matter most, in a line."""
    return ", ".join(f"{name} {scores[name]:.4f}" for name in HEADLINES if name in scores)


def _decide(
    images: HeldOut, vocabulary: list[str], threshold: float, folder: Path, allocate: Allocate
) -> Decisions:
    """Write the probs and losses that follow from the logits, and return the decisions."""
    logits = read_logits(folder / ANSWERS)
    predicted, actual = allocate(logits.shape, bool), allocate(logits.shape, bool)
    with (
        stream_array(folder / PROBS, logits.shape, np.float32) as add_probs,
        stream_array(folder / LOSSES, logits.shape, np.float32) as add_losses,
    ):
        for block in blocks(len(logits), BLOCK_IMAGES):
            targets = encode_texts(images.texts[block], vocabulary)
            probs = sigmoid(logits[block])
            add_probs(probs)
            add_losses(binary_cross_entropy(logits[block], targets))
            predicted[block], actual[block] = probs > threshold, targets > 0.5
    return Decisions(predicted, actual)


def _compare_texts(answers: Path, actual: Sequence[str], allocate: Allocate) -> Texts | None:
    """What the model read beside what there is, where it reads."""
    if not reads_texts(answers):
        return None
    return Texts(
        count_edits((one.text for one in iterate_texts(answers)), actual, allocate),
        count_characters(actual, allocate),
        fill(
            allocate((len(actual),), np.float64),
            (one.confidence for one in iterate_texts(answers)),
        ),
    )


def _score_texts(
    texts: Texts | None, actual: Sequence[str], params: Evaluate, allocate: Allocate
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Scores of the texts and their intervals; none where the model does not read."""
    if texts is None:
        return {}, {}
    edits, characters = texts.edits, texts.characters
    bounds = text_intervals(edits, characters, resamples=params.resamples, seed=params.seed)
    return score_texts(edits, characters, actual, allocate), bounds


def _write_predictions(
    images: HeldOut, vocabulary: list[str], decisions: Decisions, folder: Path
) -> None:
    """One line per image, the manifest's order; label sets as strings, sorted."""
    columns = ["file", "text", "labels", "predicted", "missed", "invented", "loss"]
    lines = _list_predictions(images, np.array(vocabulary), decisions, folder)
    if reads_texts(folder / ANSWERS):
        columns += ["read", "confidence"]
        readings = iterate_texts(folder / ANSWERS)
        pairs = zip(lines, readings, strict=True)
        lines = ([*line, one.text, one.confidence] for line, one in pairs)
    write_table(folder / "predictions.csv", columns, lines)


def _list_predictions(
    images: HeldOut, vocabulary: NDArray[np.str_], decisions: Decisions, folder: Path
) -> Iterator[list[Any]]:
    losses = read_array(folder / LOSSES)
    for number, row in enumerate(images.described()):
        predicted, actual = decisions.predicted[number], decisions.actual[number]
        sets = [
            "".join(vocabulary[chosen])
            for chosen in (actual, predicted, actual & ~predicted, predicted & ~actual)
        ]
        yield [row.file, row.text, *sets, float(losses[number].mean())]


def _write_precision_recall(ranking: Ranking, path: Path) -> None:
    """The curve over all decisions pooled, thinned to points that a plot can tell apart."""
    precision, recall, thresholds = precision_recall(ranking, CURVE_POINTS)
    lines = zip(recall.tolist(), precision.tolist(), thresholds.tolist(), strict=True)
    write_table(path, ["recall", "precision", "threshold"], lines)


def _write_calibration(probs: Floats, actual: Bools, path: Path, allocate: Allocate) -> None:
    """Decisions binned by prob: how often the label was really there."""
    bins = bin_probs(probs, actual, _bin, CALIBRATION_BINS, allocate)
    lines = ([one.mean, one.true / one.size, one.size] for one in bins)
    write_table(path, ["mean_prob", "share_present", "decisions"], lines)


def _bin(probs: Floats) -> NDArray[np.uint8]:
    return np.minimum(probs * CALIBRATION_BINS, CALIBRATION_BINS - 1).astype(np.uint8)


def _write_confidences(texts: Texts, folder: Path, allocate: Allocate) -> None:
    """How far a text's confidence can be trusted, and what answering only the sure ones gets."""
    right = np.equal(texts.edits, 0, out=allocate(texts.edits.shape, bool))
    rows = bin_confidences(texts.confidences, right, allocate)
    write_table(folder / "reliability.csv", RELIABILITY_COLUMNS, rows)
    rows = cover(texts.confidences, right, allocate)
    write_table(folder / "coverage.csv", COVERAGE_COLUMNS, rows)
