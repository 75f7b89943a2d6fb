"""Pure metrics over texts as read and as they are: whole texts right, and characters wrong."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

Integers = NDArray[np.int64]
Texts = Sequence[str]
Item = TypeVar("Item", int, str)


def text_accuracy(read: Texts, actual: Texts) -> float:
    """The share of images whose whole text is right."""
    return float((count_edits(read, actual) == 0).mean())


def character_error_rate(read: Texts, actual: Texts) -> float:
    """Characters to substitute, insert and delete, for each character that there is."""
    return error_rate(count_edits(read, actual), count_characters(actual))


def error_rate(edits: Integers, characters: Integers) -> float:
    """Of edits (images,), or (repeats, images), about so many characters (images,)."""
    return float(edits.mean() / characters.mean())


def count_edits(read: Texts, actual: Texts) -> Integers:
    """The edit distance (Levenshtein, 1966) of each text as read to the actual one (texts,)."""
    pairs = zip(read, actual, strict=True)
    return np.array([Levenshtein.distance(one, other) for one, other in pairs], np.int64)


def count_characters(texts: Texts) -> Integers:
    return np.array([len(text) for text in texts], np.int64)


def score_texts(read: Texts, actual: Texts) -> dict[str, float]:
    """Both metrics, and beside them what one text gets that is answered for every image."""
    constant = [_commonest_text(actual)] * len(actual)
    return {
        "text_accuracy": text_accuracy(read, actual),
        "character_error_rate": character_error_rate(read, actual),
        "constant_text_accuracy": text_accuracy(constant, actual),
        "constant_character_error_rate": character_error_rate(constant, actual),
    }


def _commonest_text(texts: Texts) -> str:
    """The commonest length's commonest character at each place; the first of equals in order."""
    length = _commonest(map(len, texts))
    return "".join(
        _commonest(text[place] for text in texts if len(text) == length) for place in range(length)
    )


def _commonest(items: Iterable[Item]) -> Item:
    counts = Counter(items)
    return min(counts, key=lambda item: (-counts[item], item))
