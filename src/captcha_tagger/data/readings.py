"""What a model read in images: texts, how sure it is of them, and where their characters stand.

JSON lines <-> Readings, row i about image i. No torch: showing needs none.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from captcha_tagger.base.errors import InputError

Spans = tuple[tuple[int, int], ...]  # which take half of a list's memory, a million times


@dataclass(frozen=True, slots=True)
class Reading:
    """One image's text, the prob that it is all of the text, and where each character stands:
    from which pixel column to before which, in the image as the model sees it."""

    text: str
    confidence: float
    spans: Spans


def write_readings(path: Path, readings: Iterable[Reading]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in readings)


def read_readings(path: Path) -> list[Reading]:
    """The readings that `write_readings` wrote; InputError when the file is damaged."""
    try:
        return list(_iterate(path))
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InputError(f"{path}: not what a model read; run dvc repro evaluate") from None


def _iterate(path: Path) -> Iterator[Reading]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            row = json.loads(line)
            spans = tuple((first, last) for first, last in row["spans"])
            yield Reading(row["text"], row["confidence"], spans)
