"""Which images stand for a whole set, on a sheet of samples."""

from collections.abc import Sequence

SHEET_IMAGES = 24


def pick_samples(rows: Sequence[int], number: int = SHEET_IMAGES) -> list[int]:
    """Up to `number` of the rows, evenly spaced, so that every part of a sorted set is seen."""
    if len(rows) <= number:
        return list(rows)
    return [rows[place * len(rows) // number] for place in range(number)]
