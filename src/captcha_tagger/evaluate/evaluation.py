"""Everything that is counted from the final model's answers on the validation part.

Answers, the images' rows and the model's card -> data/evaluate/.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.files import atomic_folder, write_array, write_table
from captcha_tagger.data.labels import encode_texts
from captcha_tagger.data.manifest import Row
from captcha_tagger.data.readings import Reading
from captcha_tagger.evaluate.answers import Answers, write_answers
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

CURVE_POINTS = 200
CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Evaluation:
    """Scores of the validation part; probs, losses (images, labels) in its order."""

    metrics: dict[str, Any]
    labels: list[dict[str, Any]]
    answers: Answers
    rows: list[Row]
    vocabulary: list[str]
    targets: NDArray[np.float32]
    probs: NDArray[np.float32]
    losses: NDArray[np.float32]

    def headline(self) -> str:
        """The scores that matter most, in a line."""
        shown = [name for name in HEADLINES if name in self.metrics]
        return ", ".join(f"{name} {self.metrics[name]:.4f}" for name in shown)


def evaluate(answers: Answers, rows: list[Row], card: ModelCard, params: Evaluate) -> Evaluation:
    """Score the model's answers about these rows at its threshold, or the params'."""
    threshold = card.threshold if params.threshold == "model" else params.threshold
    targets = encode_texts([row.text for row in rows], card.vocabulary)
    probs = sigmoid(answers.logits)
    losses = binary_cross_entropy(answers.logits, targets)
    texts, bounds = _score_texts(answers.readings, [row.text for row in rows], params)
    bounds = (
        intervals(probs, targets, threshold, resamples=params.resamples, seed=params.seed) | bounds
    )
    return Evaluation(
        metrics={
            **score(probs, targets, threshold),
            **texts,
            "intervals": bounds,
            "loss": float(losses.mean()),
            "images": len(targets),
            "threshold": threshold,
        },
        labels=score_labels(probs, targets, threshold, card.vocabulary),
        answers=answers,
        rows=rows,
        vocabulary=card.vocabulary,
        targets=targets,
        probs=probs,
        losses=losses,
    )


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    with atomic_folder(folder) as beside:
        write_scores(beside, evaluation.metrics)
        write_answers(evaluation.answers, beside / "answers")
        columns = list(evaluation.labels[0])
        write_table(
            beside / "labels.csv", columns, (list(row.values()) for row in evaluation.labels)
        )
        _write_predictions(evaluation, beside / "predictions.csv")
        write_array(beside / "probs.npy", evaluation.probs)
        write_array(beside / "losses.npy", evaluation.losses)
        _write_precision_recall(evaluation, beside / "precision_recall.csv")
        _write_calibration(evaluation, beside / "calibration.csv")
        if evaluation.answers.readings is not None:
            _write_confidences(evaluation.answers.readings, evaluation.rows, beside)


def _score_texts(
    readings: list[Reading] | None, actual: list[str], params: Evaluate
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Scores of the texts and their intervals; none where the model does not read."""
    if readings is None:
        return {}, {}
    read = [one.text for one in readings]
    edits, characters = count_edits(read, actual), count_characters(actual)
    bounds = text_intervals(edits, characters, resamples=params.resamples, seed=params.seed)
    return score_texts(read, actual), bounds


def _write_predictions(evaluation: Evaluation, path: Path) -> None:
    """One line per image, the file's own order; label sets as strings, sorted."""
    columns = ["file", "text", "labels", "predicted", "missed", "invented", "loss"]
    if evaluation.answers.readings is not None:
        columns += ["read", "confidence"]
    write_table(path, columns, _list_predictions(evaluation))


def _list_predictions(evaluation: Evaluation) -> Iterator[list[Any]]:
    threshold, vocabulary = evaluation.metrics["threshold"], np.array(evaluation.vocabulary)
    for number, row in enumerate(evaluation.rows):
        predicted = evaluation.probs[number] > threshold
        actual = evaluation.targets[number] > 0.5
        sets = [
            "".join(vocabulary[chosen])
            for chosen in (actual, predicted, actual & ~predicted, predicted & ~actual)
        ]
        line = [row.file, row.text, *sets, float(evaluation.losses[number].mean())]
        if evaluation.answers.readings is not None:
            reading = evaluation.answers.readings[number]
            line += [reading.text, reading.confidence]
        yield line


def _write_precision_recall(evaluation: Evaluation, path: Path) -> None:
    """The curve over all decisions pooled, thinned to points that a plot can tell apart."""
    actual = evaluation.targets > 0.5
    precision, recall, thresholds = precision_recall(evaluation.probs, actual, CURVE_POINTS)
    lines = zip(recall.tolist(), precision.tolist(), thresholds.tolist(), strict=True)
    write_table(path, ["recall", "precision", "threshold"], lines)


def _write_calibration(evaluation: Evaluation, path: Path) -> None:
    """Decisions binned by prob: how often the label was really there."""
    probs, actual = evaluation.probs.ravel(), evaluation.targets.ravel() > 0.5
    bins = np.minimum((probs * CALIBRATION_BINS).astype(np.uint8), CALIBRATION_BINS - 1)
    lines = [
        [float(probs[chosen].mean()), float(actual[chosen].mean()), int(chosen.sum())]
        for chosen in (bins == b for b in range(CALIBRATION_BINS))
        if chosen.any()
    ]
    write_table(path, ["mean_prob", "share_present", "decisions"], lines)


def _write_confidences(readings: list[Reading], rows: list[Row], folder: Path) -> None:
    """How far a text's confidence can be trusted, and what answering only the sure ones gets."""
    confidences = np.array([one.confidence for one in readings])
    right = np.array([one.text == row.text for one, row in zip(readings, rows, strict=True)])
    write_table(
        folder / "reliability.csv", RELIABILITY_COLUMNS, bin_confidences(confidences, right)
    )
    write_table(folder / "coverage.csv", COVERAGE_COLUMNS, cover(confidences, right))
