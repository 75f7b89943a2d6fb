"""Texts that are perhaps wrong: where a model that has not seen the image is sure of another.

Verdicts on all images -> Candidates, the surest first, and rows of the corrections.
Source: Northcutt, Jiang and Chuang, "Confident Learning" (2021): labels are judged by out-of-sample
probs alone. Its thresholds for each class have no meaning for texts, of which each is a class of
its own, so that the prob of the text read ranks them.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from captcha_tagger.data.dataset import Dataset
from captcha_tagger.ingest.corrections import (
    DROP,
    Correction,
    append_corrections,
    read_corrections,
)
from captcha_tagger.report.mistakes import suggest_text
from captcha_tagger.review.folds import Verdicts

SURE = 0.5  # a text of a higher prob than this leaves less for all others together


class Candidate(NamedTuple):
    """An image whose text is perhaps wrong, and the text that it perhaps has, if one suggests
    itself."""

    file: str
    text: str
    suggestion: str
    sureness: float

    @property
    def is_clear(self) -> bool:
        """Whether one text is proposed; `drop` as a text would take the image out."""
        return self.suggestion not in ("", DROP)


def rank_candidates(data: Dataset, verdicts: Verdicts) -> list[Candidate]:
    """The images about which the model is sure of something else, the surest first."""
    found = []
    for row, (image, sureness) in enumerate(zip(data.rows, verdicts.sureness, strict=True)):
        if verdicts.read:
            differs, suggestion = verdicts.read[row] != image.text, verdicts.read[row]
        else:
            predicted, actual = verdicts.predicted[row], data.targets[row] > 0.5
            differs = bool((predicted != actual).any())
            missed, invented = (
                "".join(data.vocabulary[column] for column in np.flatnonzero(mask))
                for mask in (actual & ~predicted, predicted & ~actual)
            )
            suggestion = suggest_text(image.text, missed, invented)
        if differs and sureness > SURE:
            found.append(Candidate(image.file, image.text, suggestion, float(sureness)))
    return sorted(found, key=lambda one: (-one.sureness, one.file))


def read_known(path: Path) -> dict[str, Correction]:
    """The corrections that are there; InputError when they are damaged."""
    return read_corrections(path, "keep") if path.exists() else {}


def append_candidates(path: Path, candidates: list[Candidate], first: int) -> list[Candidate]:
    """Add the first so many that are clear to the corrections, whose own rows stay as they are.

    Returns these and, after them, the first so many that are not: they get no row, and take no
    place of a clear one.
    """
    known = read_known(path)
    new = [one for one in candidates if one.file not in known]
    clear = [one for one in new if one.is_clear][:first]
    append_corrections(path, {one.file: _propose(one) for one in clear})
    return clear + [one for one in new if not one.is_clear][:first]


def _propose(one: Candidate) -> Correction:
    why = f"named {one.text}; a model that has not seen it is sure by {one.sureness:.3f}"
    return Correction(one.suggestion, why)
