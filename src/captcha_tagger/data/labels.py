"""File name -> text -> label set -> targets; and the text's labels in order.

A text is what stands in the image, in reading order; its labels are its distinct characters.
"""

import posixpath
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json

LONGEST = 256  # characters of a text: an image of the greatest width has no room for more
Case = Literal["auto", "keep", "lower", "upper"]  # auto: as it is, until ingest has chosen


def read_text(name: str, *, pattern: str, case: Case) -> str:
    """Return the text that a file's name holds, in Unicode NFC; InputError says why there is none.

    `pattern` must match the whole stem and name the text in its group `text`.
    """
    stem = posixpath.splitext(posixpath.basename(name))[0]
    match = re.fullmatch(pattern, stem)
    if match is None:
        raise InputError("its name does not match ingest.name_pattern")
    if not match["text"]:
        raise InputError("its name holds an empty text")
    return clean_text(match["text"], case)


def clean_text(text: str, case: Case) -> str:
    """Return the text in Unicode NFC, its case folded; InputError says why it is none."""
    # Folding can decompose (İ becomes i and a dot above), so normal form comes last.
    text = unicodedata.normalize("NFC", fold(text, case))
    if not text:
        raise InputError("its text is empty")
    if len(text) > LONGEST:
        raise InputError(f"its text has {len(text)} characters, more than {LONGEST}")
    if not text.isprintable() or any(character.isspace() for character in text):
        raise InputError("its text holds a blank or an invisible character")
    return text


def label_set(text: str) -> frozenset[str]:
    """Return the distinct characters of a text."""
    return frozenset(text)


def make_vocabulary(texts: Iterable[str]) -> list[str]:
    """Return the sorted labels of all texts."""
    return sorted(set().union(*map(label_set, texts)))


def read_vocabulary(path: Path) -> list[str]:
    """The labels that ingest wrote, in order; InputError when they are none."""
    labels = read_json(path)
    if not isinstance(labels, list) or not all(type(one) is str for one in labels):
        raise InputError(f"{path}: not a list of labels; run dvc repro ingest")
    return labels


def encode_texts(texts: Sequence[str], vocabulary: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return multi-hot targets (texts, labels); a character outside the vocabulary raises."""
    column = {label: index for index, label in enumerate(vocabulary)}
    targets = np.zeros((len(texts), len(vocabulary)), np.float32)
    for row, text in enumerate(texts):
        for label in label_set(text):
            if label not in column:
                raise InputError(f"{text!r}: its character {label!r} is not in the vocabulary")
            targets[row, column[label]] = 1
    return targets


def index_texts(texts: Sequence[str], vocabulary: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return each text's labels by number, in order: (texts, longest), filled up with -1.

    A character outside the vocabulary raises.
    """
    column = {label: index for index, label in enumerate(vocabulary)}
    indexed = np.full((len(texts), max(map(len, texts), default=0)), -1, np.int64)
    for row, text in enumerate(texts):
        for place, character in enumerate(text):
            if character not in column:
                raise InputError(f"{text!r}: its character {character!r} is not in the vocabulary")
            indexed[row, place] = column[character]
    return indexed


def fold(text: str, case: Case) -> str:
    """Return the text in upper or lower case, or as it is."""
    if case in ("auto", "keep"):
        return text
    return text.lower() if case == "lower" else text.upper()
