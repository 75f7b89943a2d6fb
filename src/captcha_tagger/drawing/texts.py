"""What stands in drawn captchas: an alphabet for each image, and a text of it.

An alphabet is what the labels of one look could be. A text may be drawn in another case than it is
named in, as many looks are whose names fold it.
"""

import string
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.drawing.strokes import Random

VOCABULARY = sorted(string.digits + string.ascii_letters)
DIGITS, UPPER, LOWER = (
    np.isin(VOCABULARY, list(kind))
    for kind in (string.digits, string.ascii_uppercase, string.ascii_lowercase)
)
KINDS = (  # and how often each is drawn
    (DIGITS, 0.18),
    (DIGITS | LOWER, 0.26),
    (DIGITS | UPPER, 0.22),
    (LOWER, 0.08),
    (UPPER, 0.10),
    (DIGITS | UPPER | LOWER, 0.13),
    (UPPER | LOWER, 0.03),
)
KIND_SHARES = [share for _, share in KINDS]
LENGTHS, LENGTH_SHARES = (3, 4, 5, 6, 7, 8), (0.06, 0.32, 0.3, 0.2, 0.06, 0.06)  # characters
FEWEST_LABELS = 6
THINNED = 0.5  # share of alphabets that lack some of their kind
OTHER_CASE, MIXED_CASE = 0.12, 0.10  # shares of texts of one case that are drawn in another

Flags = NDArray[np.bool_]


class Text(NamedTuple):
    labels: NDArray[np.intp]  # indices into VOCABULARY, in reading order
    shown: str  # the characters as drawn
    alphabet: Flags  # (62,)


def draw_text(generator: Random, shortest: int, longest: int) -> Text:
    """A text over an alphabet of its own, of `shortest` to `longest` characters, but at most 8."""
    alphabet = _draw_alphabet(generator)
    length = int(np.clip(generator.choice(LENGTHS, p=LENGTH_SHARES), shortest, longest))
    labels = generator.choice(np.flatnonzero(alphabet), size=length)
    named = "".join(VOCABULARY[label] for label in labels)
    return Text(labels, _redress(named, alphabet, generator), alphabet)


def _draw_alphabet(generator: Random) -> Flags:
    kind = KINDS[generator.choice(len(KINDS), p=KIND_SHARES)][0]
    if generator.random() >= THINNED:
        return kind
    kept = kind & (generator.random(len(VOCABULARY)) < generator.uniform(0.4, 0.95))
    return kept if kept.sum() >= FEWEST_LABELS else kind


def _redress(text: str, alphabet: Flags, generator: Random) -> str:
    """Another case for a text whose alphabet has one case only, now and then."""
    if (alphabet & UPPER).any() == (alphabet & LOWER).any():
        return text
    fate = generator.random()
    if fate < OTHER_CASE:
        return text.swapcase()
    if fate < OTHER_CASE + MIXED_CASE:
        return "".join(c.swapcase() if generator.random() < 0.5 else c for c in text)
    return text
