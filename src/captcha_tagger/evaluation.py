"""The final model's answers on the validation part, and everything that is counted from them.

A Tagger and a Dataset -> data/evaluate/.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from captcha_tagger.compute import Machine
from captcha_tagger.dataset import Dataset
from captcha_tagger.errors import InputError
from captcha_tagger.files import atomic_folder, write_array, write_json, write_table
from captcha_tagger.inference import infer_evidence, infer_logits
from captcha_tagger.manifest import Row
from captcha_tagger.metrics import binary_cross_entropy, intervals, score, score_labels
from captcha_tagger.model import Tagger
from captcha_tagger.params import Evaluate

CURVE_POINTS = 200
CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Evaluation:
    """Scores of the validation part; probs, losses (images, labels) in its order."""

    metrics: dict[str, Any]
    labels: list[dict[str, Any]]
    rows: list[Row]
    vocabulary: list[str]
    targets: NDArray[np.float32]
    probs: NDArray[np.float32]
    losses: NDArray[np.float32]
    evidence: NDArray[np.float16]

    def headline(self) -> str:
        shown = ("label_accuracy", "exact_set", "micro_f1", "macro_f1")
        return ", ".join(f"{name} {self.metrics[name]:.4f}" for name in shown)


def evaluate(model: Tagger, data: Dataset, params: Evaluate, machine: Machine) -> Evaluation:
    """Score the model on the validation part at its own threshold, or the params'."""
    threshold = model.card.threshold if params.threshold == "model" else params.threshold
    images = data.validation_images(machine.device)
    if model.card.vocabulary != data.vocabulary:
        raise InputError("evaluate: the model's vocabulary is not the data's; run dvc repro")
    logits = infer_logits(model, images)
    targets = data.targets[data.validation]
    probs = torch.sigmoid(torch.from_numpy(logits)).numpy()
    losses = binary_cross_entropy(logits, targets)
    bounds = intervals(probs, targets, threshold, resamples=params.resamples, seed=params.seed)
    return Evaluation(
        metrics={
            **score(probs, targets, threshold),
            "intervals": bounds,
            "loss": float(losses.mean()),
            "images": len(targets),
            "threshold": threshold,
        },
        labels=score_labels(probs, targets, threshold, data.vocabulary),
        rows=[data.rows[row] for row in data.validation],
        vocabulary=data.vocabulary,
        targets=targets,
        probs=probs,
        losses=losses,
        evidence=infer_evidence(model, images),
    )


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    with atomic_folder(folder) as beside:
        write_json(beside / "metrics.json", evaluation.metrics)
        columns = list(evaluation.labels[0])
        write_table(
            beside / "labels.csv", columns, (list(row.values()) for row in evaluation.labels)
        )
        _write_predictions(evaluation, beside / "predictions.csv")
        write_array(beside / "probs.npy", evaluation.probs)
        write_array(beside / "losses.npy", evaluation.losses)
        write_array(beside / "evidence.npy", evaluation.evidence)
        _write_precision_recall(evaluation, beside / "precision_recall.csv")
        _write_calibration(evaluation, beside / "calibration.csv")


def _write_predictions(evaluation: Evaluation, path: Path) -> None:
    """One line per image, the file's own order; label sets as strings, sorted."""
    threshold = evaluation.metrics["threshold"]
    columns = ["file", "text", "labels", "predicted", "missed", "invented", "loss"]
    lines = []
    for row, probs, targets, losses in zip(
        evaluation.rows, evaluation.probs, evaluation.targets, evaluation.losses, strict=True
    ):
        predicted, actual = probs > threshold, targets > 0.5
        sets = [
            "".join(np.array(evaluation.vocabulary)[chosen])
            for chosen in (actual, predicted, actual & ~predicted, predicted & ~actual)
        ]
        lines.append([row.file, row.text, *sets, float(losses.mean())])
    write_table(path, columns, lines)


def _write_precision_recall(evaluation: Evaluation, path: Path) -> None:
    """The curve over all decisions pooled, thinned to points that a plot can tell apart."""
    actual = evaluation.targets.ravel() > 0.5
    precision, recall, thresholds = precision_recall_curve(actual, evaluation.probs.ravel())
    picks = np.unique(np.linspace(0, len(thresholds) - 1, CURVE_POINTS).astype(int))
    lines = ([float(recall[i]), float(precision[i]), float(thresholds[i])] for i in picks)
    write_table(path, ["recall", "precision", "threshold"], lines)


def _write_calibration(evaluation: Evaluation, path: Path) -> None:
    """Decisions binned by prob: how often the label was really there."""
    probs, actual = evaluation.probs.ravel(), evaluation.targets.ravel() > 0.5
    bins = np.minimum((probs * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    lines = [
        [float(probs[chosen].mean()), float(actual[chosen].mean()), int(chosen.sum())]
        for chosen in (bins == b for b in range(CALIBRATION_BINS))
        if chosen.any()
    ]
    write_table(path, ["mean_prob", "share_present", "decisions"], lines)
