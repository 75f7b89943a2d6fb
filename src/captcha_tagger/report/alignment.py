"""A text as read against the text as it is: which characters were substituted, missed, added.

Source: Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals"
(1966), as implemented by rapidfuzz.
"""

from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

Kind = Literal["right", "substituted", "missing", "extra"]
KINDS: dict[str, Kind] = {
    "equal": "right",
    "replace": "substituted",
    "delete": "missing",
    "insert": "extra",
}


class Step(NamedTuple):
    """One character of either text or of both; `place` counts the characters read before it."""

    kind: Kind
    actual: str
    read: str
    place: int


def align(actual: str, read: str) -> list[Step]:
    """The fewest edits from the actual text to the one read, in reading order."""
    steps: list[Step] = []
    for code in Levenshtein.opcodes(actual, read):
        there = actual[code.src_start : code.src_end]
        seen = read[code.dest_start : code.dest_end]
        for offset in range(max(len(there), len(seen))):  # equally many unless one has none
            place = code.dest_start + (offset if seen else 0)
            pair = there[offset : offset + 1], seen[offset : offset + 1]
            steps.append(Step(KINDS[code.tag], *pair, place))
    return steps
