"""The rows of labelled images: manifest.jsonl, row i describes pixels[i]."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.lines import Lines


class Row(NamedTuple):
    """One image: its path in the source, its text, its pixels' digest, the original's size."""

    file: str
    text: str
    pixels: str
    width: int
    height: int


def format_row(row: Row) -> str:
    """Return the row as one line of JSON, line break included."""
    return json.dumps(row._asdict(), ensure_ascii=False) + "\n"


def write_manifest(path: Path, rows: Iterable[Row]) -> None:
    """Write one JSON object a row, in the order given."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(map(format_row, rows))


def iterate_manifest(path: Path) -> Iterator[Row]:
    """Yield the validated rows one by one; InputError names the first line that is wrong."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield _parse(line, f"{path}:{number}")


def open_manifest(path: Path) -> Lines[Row]:
    """The rows by number, read and validated when they are asked for."""
    return Lines(path, _parse)


def read_manifest(path: Path) -> list[Row]:
    """Return all rows; see `iterate_manifest`."""
    return list(iterate_manifest(path))


def _parse(line: bytes, where: str) -> Row:
    try:
        row = Row(**json.loads(line))
    except RecursionError:
        raise InputError(f"{where}: not a manifest row: nested too deep") from None
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: not a manifest row: {error}") from None
    _validate(row, where)
    return row


def _validate(row: Row, where: str) -> None:
    kinds: dict[str, type[Any]] = {
        "file": str, "text": str, "pixels": str, "width": int, "height": int,
    }  # fmt: skip
    for key, kind in kinds.items():
        value = getattr(row, key)
        if type(value) is not kind or not value:
            raise InputError(f"{where}: {key} is {value!r}; run ingest again")
