"""What a finished pipeline left on disk, as one object to show.

data/ingest, split, train_head, fine_tune, evaluate -> Results. No torch: arrays stay numpy.
Memory holds five bytes a label and some dozen more for each image; all else is read as it is shown.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_array, read_table
from captcha_tagger.data.labels import encode_texts, read_vocabulary
from captcha_tagger.data.manifest import Row, open_manifest
from captcha_tagger.data.parts import read_parts
from captcha_tagger.data.pixels import Pixels, open_pixels
from captcha_tagger.data.readings import Reading
from captcha_tagger.evaluate.answers import open_texts, read_evidence
from captcha_tagger.evaluate.scores import read_scores
from captcha_tagger.ingest.summary import Summary, summarize
from captcha_tagger.metrics.scratch import blocks
from captcha_tagger.metrics.sets import BLOCK_IMAGES

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Table = list[dict[str, str]]

LABEL_COLUMNS = (
    "label", "precision", "recall", "f1", "support", "average_precision", "threshold",
)  # fmt: skip
EPOCH_COLUMNS = ("epoch", "step", "phase", "train_loss", "validation_loss")
NAMES, COUNTS = {"label", "phase"}, {"step", "epoch", "support"}
SCORES = ("exact_set", "label_accuracy", "micro_f1", "macro_f1", "loss", "threshold", "intervals")


@dataclass(frozen=True)
class Results:
    """The validation part's arrays are (images, labels), in the order of `validation`."""

    pixels: Pixels  # (all images, channels, height, width)
    rows: Sequence[Row]  # of all images
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    vocabulary: list[str]
    targets: Bools
    probs: Floats
    losses: Floats
    shown: NDArray[np.int64]  # sorted positions of the images that have evidence
    evidence: NDArray[np.float16]  # (shown, labels, rows, columns), 0..1
    readings: Sequence[Reading]  # empty where the model does not read
    augmented: Pixels  # augmented copies of the first images of `sheet_rows`
    metrics: dict[str, Any]
    labels: Table
    precision_recall: Table
    calibration: Table
    reliability: Table  # this and the next are empty where the model does not read
    coverage: Table
    rejects: Table
    corrections: Table
    steps: Table
    epochs: Table
    hashes: dict[str, str]

    @property
    def threshold(self) -> float:
        return float(self.metrics["threshold"])

    @cached_property
    def predicted(self) -> Bools:
        return self.probs > self.threshold

    @cached_property
    def missed(self) -> Bools:
        return self.targets & ~self.predicted

    @cached_property
    def invented(self) -> Bools:
        return self.predicted & ~self.targets

    @cached_property
    def wrong(self) -> Bools:
        """Whether anything is missed or invented (images,)."""
        return np.asarray((self.missed | self.invented).any(1))

    @cached_property
    def misread(self) -> Bools:
        """Whether another text was read than there is (images,); nowhere if none is read."""
        misread = np.zeros(len(self.validation), bool)
        for position, reading in enumerate(self.readings):
            misread[position] = reading.text != self.row_at(position).text
        return misread

    @cached_property
    def confidences(self) -> NDArray[np.float64]:
        """How sure each text is that was read (images,); none if none is read."""
        return np.fromiter((one.confidence for one in self.readings), np.float64)

    @cached_property
    def summary(self) -> Summary:
        """What all images are like, without their texts."""
        summary = summarize(self.rows)
        summary.texts.clear()
        return summary

    @cached_property
    def worst_first(self) -> NDArray[np.int64]:
        """Positions in the validation part by falling loss; equal losses keep their order."""
        return np.argsort(-self.losses.mean(1), kind="stable")

    @property
    def worst_shown(self) -> NDArray[np.int64]:
        """Positions of the images that have evidence, by falling loss."""
        return self.worst_first[np.isin(self.worst_first, self.shown)]

    def evidence_at(self, positions: Sequence[int]) -> NDArray[np.float16]:
        """The evidence of images that are shown (positions, labels, rows, columns)."""
        return self.evidence[np.searchsorted(self.shown, positions)]

    def row_at(self, position: int) -> Row:
        """The row of an image of the validation part."""
        return self.rows[self.validation[position]]

    def spell(self, chosen: Bools) -> str:
        """The labels of one row of a mask (labels,), in the vocabulary's order."""
        return "".join(label for label, is_in in zip(self.vocabulary, chosen, strict=True) if is_in)


def load_results(
    ingest: Path, split: Path, train_head: Path, fine_tune: Path, evaluate: Path
) -> Results:
    """Read all that the stages wrote; InputError when a file is missing or they do not fit."""
    try:
        rows = open_manifest(ingest / "manifest.jsonl")
        vocabulary = read_vocabulary(ingest / "vocabulary.json")
        parts = read_parts(split / "parts.json", len(rows))
        shown, evidence = read_evidence(evaluate / "answers")
        results = Results(
            pixels=open_pixels(ingest / "pixels.npy"),
            rows=rows,
            train=parts.train,
            validation=parts.validation,
            vocabulary=vocabulary,
            targets=_encode(rows, parts.validation, vocabulary),
            probs=read_array(evaluate / "probs.npy"),
            losses=read_array(evaluate / "losses.npy"),
            shown=shown,
            evidence=evidence,
            readings=open_texts(evaluate / "answers"),
            augmented=read_array(fine_tune / "augmented.npy"),
            metrics=read_scores(evaluate),
            labels=_read_numbers(evaluate / "labels.csv", LABEL_COLUMNS),
            precision_recall=_read_numbers(evaluate / "precision_recall.csv"),
            calibration=_read_numbers(evaluate / "calibration.csv"),
            reliability=_read_optional(evaluate / "reliability.csv"),
            coverage=_read_optional(evaluate / "coverage.csv"),
            rejects=read_table(ingest / "rejects.csv"),
            corrections=read_table(ingest / "corrections.csv", ("file", "text", "why")),
            steps=_read_numbers(train_head / "steps.csv") + _read_numbers(fine_tune / "steps.csv"),
            epochs=[
                row
                for phase in (train_head, fine_tune)
                for row in _read_numbers(phase / "epochs.csv", EPOCH_COLUMNS)
            ],
            hashes={
                "data": _hash(ingest / "manifest.jsonl"),
                "split": _hash(split / "parts.json"),
                "model": _hash(fine_tune / "model" / "weights.safetensors"),
            },
        )
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: no such file; run dvc repro first") from None
    if len(results.pixels) != len(rows):
        raise InputError(
            f"{ingest}: {len(results.pixels)} images have {len(rows)} rows; run dvc repro"
        )
    if (
        any(found.shape != results.targets.shape for found in (results.probs, results.losses))
        or evidence.ndim != 4
        or evidence.shape[:2] != (len(shown), len(vocabulary))
        or len(results.readings) not in (0, len(parts.validation))
        or len(results.labels) != len(vocabulary)
    ):
        raise InputError(f"{evaluate}: its answers are not those of {split}; run dvc repro")
    if missing := [name for name in SCORES if name not in results.metrics]:
        raise InputError(f"{evaluate}: its scores lack {missing[0]}; run dvc repro evaluate")
    return results


def _encode(rows: Sequence[Row], chosen: NDArray[np.int64], vocabulary: list[str]) -> Bools:
    """Which labels the chosen rows' texts hold (chosen, labels)."""
    targets = np.empty((len(chosen), len(vocabulary)), bool)
    for block in blocks(len(chosen), BLOCK_IMAGES):
        texts = [rows[index].text for index in chosen[block]]
        targets[block] = encode_texts(texts, vocabulary) > 0.5
    return targets


def _read_optional(path: Path) -> Table:
    return _read_numbers(path) if path.exists() else []


def _read_numbers(path: Path, columns: Iterable[str] = ()) -> Table:
    """The rows of a table of numbers; InputError when others stand there."""
    rows = read_table(path, columns)
    for row in rows:
        for column in row.keys() - NAMES:
            try:
                (int if column in COUNTS else float)(row[column])
            except ValueError:
                reason = f"{column} is {row[column]!r}, which is no number; make it anew"
                raise InputError(f"{path}: {reason}") from None
    return rows


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
