"""What the model got wrong, and what that says: confused labels, doubtful file names.

Results -> tables. Pure.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, fields
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from captcha_tagger.base.files import write_table
from captcha_tagger.metrics.scratch import blocks
from captcha_tagger.metrics.sets import BLOCK_IMAGES
from captcha_tagger.report.alignment import align
from captcha_tagger.report.results import Bools, Floats, Results

SURE = 0.9  # the prob of an answer, be it that the label is there or that it is not
TRUST = 0.95  # the share of other sure answers about the label that agree with the names
NOTHING = ""


@dataclass(frozen=True)
class Confusion:
    """How many images missed one label and had another invented; either may be NOTHING.

    An image with several of both spreads each missed label evenly over the invented ones; one that
    misses none counts whole for each that it invents.
    """

    missed: str
    invented: str
    images: float


@dataclass(frozen=True)
class Misreading:
    """How often one character was read as another; either may be NOTHING."""

    actual: str
    read: str
    times: int


@dataclass(frozen=True)
class DoubtfulName:
    """An image whose model is sure of another text or label set than the file's name says."""

    position: int  # in the validation part
    file: str
    text: str
    missed: str
    invented: str
    read: str  # nothing where the model does not read
    sureness: float  # the prob of the text, else of the least sure label's answer
    suggestion: str  # a text that fits, or nothing where more than one would


def count_misreadings(results: Results) -> list[Misreading]:
    """Which characters were read as which, place by place; the most frequent first."""
    counts = Counter(
        (step.actual, step.read)
        for position in np.flatnonzero(results.misread).tolist()
        for step in align(results.row_at(position).text, results.readings[position].text)
        if step.kind != "right"
    )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Misreading(*pair, times) for pair, times in ordered]


def count_confusions(results: Results) -> list[Confusion]:
    """The most frequent confusion first."""
    counts: dict[tuple[str, str], float] = defaultdict(float)
    for position in np.flatnonzero(results.wrong):
        missed = results.spell(results.missed[position]) or [NOTHING]
        invented = results.spell(results.invented[position]) or [NOTHING]
        for pair in product(missed, invented):
            counts[pair] += 1 / len(invented) if pair[0] else 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Confusion(*pair, images) for pair, images in ordered]


def find_doubtful_names(results: Results) -> list[DoubtfulName]:
    """Where the model is sure, has a right to be, and the file's name disagrees; surest first.

    A model that often misses a label while sure of it says nothing about names, so its other sure
    answers of the same kind about the same label must agree with their names; of texts, the other
    sure ones.
    """
    sure, sureness = _find_sure(results)
    disagrees = results.missed | results.invented
    doubtful = (sureness >= SURE) & results.wrong
    doubtful &= (_find_trusted(results, sure) | ~disagrees).all(1)
    if results.readings:
        doubtful |= _find_doubtful_texts(results.misread, results.confidences >= SURE)
        sureness = np.where(results.misread, results.confidences, sureness)
    chosen = np.flatnonzero(doubtful)
    names = []
    for position in chosen[np.argsort(-sureness[chosen], kind="stable")].tolist():
        row = results.row_at(position)
        missed = results.spell(results.missed[position])
        invented = results.spell(results.invented[position])
        read = results.readings[position].text if results.readings else ""
        surely_misread = results.misread[position] and sureness[position] >= SURE
        names.append(
            DoubtfulName(
                position,
                row.file,
                row.text,
                missed,
                invented,
                read,
                float(sureness[position]),
                read if surely_misread else suggest_text(row.text, missed, invented),
            )
        )
    return names


def _find_sure(results: Results) -> tuple[Bools, Floats]:
    """Whether each answer is sure (images, labels), and the prob of each image's least sure one."""
    sure = np.empty(results.targets.shape, bool)
    least = np.empty(len(sure), np.float32)
    for block in blocks(len(sure), BLOCK_IMAGES):
        probs = results.probs[block]
        answers = np.where(results.predicted[block], probs, 1 - probs)
        sure[block], least[block] = answers >= SURE, answers.min(1)
    return sure, least


def _find_doubtful_texts(misread: Bools, sure: Bools) -> Bools:
    """Of each image, whether it is surely misread and the other sure texts agree with names."""
    wrong = misread & sure
    others = sure.sum() - 1
    return wrong & (others > 0) & (wrong.sum() - 1 <= (1 - TRUST) * others)


def _find_trusted(results: Results, sure: Bools) -> Bools:
    """Of each answer (images, labels), whether the other sure ones of its kind agree with names."""
    trusted = np.zeros_like(sure)
    for kind in (results.predicted, ~results.predicted):
        peers = sure & kind
        wrong = peers & (results.missed | results.invented)
        others, num_wrong = peers.sum(0) - 1, wrong.sum(0)  # (labels,)
        most_wrong = (1 - TRUST) * others
        trust_right, trust_wrong = num_wrong <= most_wrong, num_wrong - 1 <= most_wrong
        trusted |= peers & (others > 0) & np.where(wrong, trust_wrong, trust_right)
    return trusted


def suggest_text(text: str, missed: str, invented: str) -> str:
    """The text with its one missed character replaced by the one invented, else nothing."""
    if len(missed) == len(invented) == 1 and text.count(missed) == 1:
        return text.replace(missed, invented)
    return ""


def write_top_losses(path: Path, results: Results) -> None:
    """Every validation image, the highest loss first; label sets as strings."""
    columns = ["file", "text", "labels", "predicted", "missed", "invented", "loss"]
    write_table(path, columns, map(partial(_as_line, results), results.worst_first))


def _as_line(results: Results, position: int) -> list[Any]:
    row = results.row_at(position)
    masks = (results.targets, results.predicted, results.missed, results.invented)
    sets = [results.spell(mask[position]) for mask in masks]
    return [row.file, row.text, *sets, float(results.losses[position].mean())]


def write_doubtful_names(path: Path, results: Results) -> None:
    """The file names to check, to be corrected by hand."""
    columns = [field.name for field in fields(DoubtfulName) if field.name != "position"]
    names = find_doubtful_names(results)
    write_table(path, columns, ([getattr(name, column) for column in columns] for name in names))
