"""Every image judged by a model that has not seen it: cross-validation over all of a data set.

A Dataset, a backbone and a recipe -> Verdicts, one for each image.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.data.dataset import Dataset
from captcha_tagger.engine.compute import Machine
from captcha_tagger.review.trial import PhaseParams, TrialAnswers, answer
from captcha_tagger.split.params import Split
from captcha_tagger.split.splitting import group_rows, split_rows


@dataclass(frozen=True)
class Verdicts:
    """Of each image (images,) the text read and how sure the model is of its answer; of models
    that do not read no texts. `predicted` are the labels (images, labels)."""

    read: list[str]
    sureness: NDArray[np.float64]
    predicted: NDArray[np.bool_]


def judge(
    data: Dataset,
    backbone: Path,
    recipe: PhaseParams,
    split: Split,
    machine: Machine,
    *,
    folds: int,
    every_seconds: float,
) -> Verdicts:
    """Train on all folds but one, ask about that one, and so on; says a line for each fold."""
    answers = []
    for number, fold in enumerate(part_into_folds(data, split, folds), start=1):
        one = answer(fold, backbone, recipe, machine, every_seconds=every_seconds)
        print(
            f"fold {number} of {folds}: {len(fold.train)} images to learn from, "
            f"{_count_other(one, fold)} of {len(one.rows)} others answered otherwise than named",
            flush=True,
        )
        answers.append(one)
    order = np.argsort(np.concatenate([one.rows for one in answers]))
    read = np.concatenate([one.read for one in answers])
    return Verdicts(
        read[order].tolist() if read.size else [],
        np.concatenate([_measure_sureness(one) for one in answers])[order],
        np.concatenate([one.probs > one.threshold for one in answers])[order],
    )


def part_into_folds(data: Dataset, split: Split, folds: int) -> Iterator[Dataset]:
    """The data so many times; each training image is in the validation part of one of them."""
    for fold in range(folds):
        changes = {"folds": folds, "fold": fold, "train_images": None}
        yield part(data, split.model_copy(update=changes))


def part(data: Dataset, split: Split) -> Dataset:
    """The data with its training part split anew, as the split stage would."""
    chosen = data.train
    rows = [data.rows[row] for row in chosen]
    groups = group_rows([row.text for row in rows], [row.pixels for row in rows])
    parts = split_rows(data.targets[chosen], groups, split)
    return replace(data, train=chosen[parts.train], validation=chosen[parts.validation])


def _measure_sureness(one: TrialAnswers) -> NDArray[np.float64]:
    """The prob of the text, else of the least sure label's answer (images,)."""
    if one.confidences.size:
        return one.confidences
    probs = one.probs.astype(np.float64)
    return np.where(probs > one.threshold, probs, 1 - probs).min(1)


def _count_other(one: TrialAnswers, fold: Dataset) -> int:
    if one.read.size:
        texts = [row.text for row in fold.validation_rows]
        return sum(read != text for read, text in zip(one.read, texts, strict=True))
    return int(((one.probs > one.threshold) != (one.targets > 0.5)).any(1).sum())
