"""What a model read in images: texts, how sure it is of them, and where their characters stand.

JSON lines <-> Readings, row i about image i. No torch: showing needs none.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.lines import Lines

Spans = tuple[tuple[int, int], ...]  # which take half of a list's memory, a million times


@dataclass(frozen=True, slots=True)
class Reading:
    """One image's text, the prob that it is all of the text, and where each character stands:
    from which pixel column to before which, in the image as the model sees it."""

    text: str
    confidence: float
    spans: Spans


def format_reading(reading: Reading) -> str:
    """The reading as one line of JSON, line break included."""
    return json.dumps(asdict(reading), ensure_ascii=False) + "\n"


def iterate_readings(path: Path) -> Iterator[Reading]:
    """Yield the readings of such lines one by one; InputError when the file is damaged."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield _parse(line, f"{path}:{number}")


def open_readings(path: Path) -> Lines[Reading]:
    """The readings by number, read when they are asked for."""
    return Lines(path, _parse)


def _parse(line: bytes, where: str) -> Reading:
    try:
        row = json.loads(line)
        spans = tuple((first, last) for first, last in row["spans"])
        return Reading(row["text"], row["confidence"], spans)
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InputError(f"{where}: not what a model read; run dvc repro evaluate") from None
