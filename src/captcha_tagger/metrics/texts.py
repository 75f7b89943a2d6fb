"""Pure metrics over texts as read and as they are: whole texts right, and characters wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from captcha_tagger.metrics.scratch import Allocate, fill

Integers = NDArray[np.int64]
Texts = Sequence[str]
Item = TypeVar("Item", int, str)


def text_accuracy(edits: Integers) -> float:
    """The share of images whose whole text is right."""
    return count_right(edits) / edits.size


def count_right(edits: Integers) -> int:
    """How many texts are right as a whole."""
    return int(edits.size - np.count_nonzero(edits))


def error_rate(edits: Integers, characters: Integers) -> float:
    """Characters to substitute, insert and delete, for each character that there is.

    Of edits (images,), or (repeats, images), about so many characters (images,).
    """
    return float(edits.mean() / characters.mean())


def count_edits(read: Iterable[str], actual: Texts, allocate: Allocate = np.empty) -> Integers:
    """The edit distance (Levenshtein, 1966) of each text as read to the actual one (texts,)."""
    pairs = zip(read, actual, strict=True)
    distances = (Levenshtein.distance(one, other) for one, other in pairs)
    return fill(allocate((len(actual),), np.int64), distances)


def count_characters(texts: Texts, allocate: Allocate = np.empty) -> Integers:
    return fill(allocate((len(texts),), np.int64), map(len, texts))


def score_texts(
    edits: Integers, characters: Integers, actual: Texts, allocate: Allocate = np.empty
) -> dict[str, float]:
    """Both metrics, and beside them what one text gets that is answered for every image."""
    constant = count_edits(repeat(_commonest_text(actual), len(actual)), actual, allocate)
    return {
        "text_accuracy": text_accuracy(edits),
        "character_error_rate": error_rate(edits, characters),
        "constant_text_accuracy": text_accuracy(constant),
        "constant_character_error_rate": error_rate(constant, characters),
    }


def _commonest_text(texts: Texts) -> str:
    """The commonest length's commonest character at each place; the first of equals in order."""
    lengths, places = Counter[int](), defaultdict[tuple[int, int], Counter[str]](Counter)
    for text in texts:
        lengths[len(text)] += 1
        for place, character in enumerate(text):
            places[len(text), place][character] += 1
    length = _commonest(lengths)
    return "".join(_commonest(places[length, place]) for place in range(length))


def _commonest(counts: Counter[Item]) -> Item:
    return min(counts, key=lambda item: (-counts[item], item))
