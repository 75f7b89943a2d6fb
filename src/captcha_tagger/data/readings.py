"""What a model read in images: texts, how sure it is of them, and where their characters stand.

JSON lines <-> Readings, row i about image i. No torch: showing needs none.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
    with path.open(encoding="utf-8", newline="\n") as file:
        return [_read(json.loads(line)) for line in file]


def _read(line: dict[str, Any]) -> Reading:
    spans = tuple((first, last) for first, last in line["spans"])
    return Reading(line["text"], line["confidence"], spans)
