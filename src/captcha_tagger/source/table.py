"""A small table that people keep -> its rows: CSV as spreadsheets save it, or JSON lines.

Takes a byte order mark, commas, semicolons or tabs, and gives back what `write_table` defused.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import DEFUSED, ESCAPE, is_stored

JSON_ENDINGS = (".jsonl", ".ndjson")
DELIMITERS = ",;\t"


class NumberedRow(NamedTuple):
    """A row by its columns, and the number of its line in the file."""

    number: int
    cells: dict[str, str]


def iterate_lines(path: Path) -> Iterator[NumberedRow]:
    """Yield the rows one by one; a file without any is no error, one that is no table is."""
    iterate = _iterate_json if path.suffix.lower() in JSON_ENDINGS else _iterate_csv
    with _open_table(path) as file:
        yield from iterate(file, path)


def read_columns(path: Path) -> list[str]:
    """The names of the columns, also where there is no row; of JSON lines, those of the first.

    InputError as of `iterate_lines`.
    """
    if path.suffix.lower() in JSON_ENDINGS:
        return next((list(row.cells) for row in iterate_lines(path)), [])
    with _open_table(path) as file:
        return _read_header(file)[0]


def find_columns(where: str, columns: Iterable[str], *choices: tuple[str, ...]) -> tuple[str, ...]:
    """The first of the choices that the columns have, in any case; InputError names them."""
    known = {column.lower(): column for column in columns}
    for wanted in choices:
        if all(name.lower() in known for name in wanted):
            return tuple(known[name.lower()] for name in wanted)
    raise InputError(f"{where}: has the columns {', '.join(columns)}, not {', '.join(choices[0])}")


@contextmanager
def _open_table(path: Path) -> Iterator[TextIO]:
    if not path.is_file() or not is_stored(path):
        raise InputError(f"{path}: no such file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8; save it as UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}: not readable as CSV: {error}") from None


def _iterate_csv(file: TextIO, path: Path) -> Iterator[NumberedRow]:
    columns, delimiter = _read_header(file)
    if twice := [name for name in columns if name and columns.count(name) > 1]:
        raise InputError(f"{path}:1: two columns are called {twice[0]!r}; rename one")
    reader = csv.reader(file, delimiter=delimiter, strict=True)  # an open quote hides all rows
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        number = reader.line_num + 1
        if len(cells) > len(columns):
            raise InputError(
                f"{path}:{number}: {len(cells)} cells for {len(columns)} columns; quote the commas"
            )
        cells += [""] * (len(columns) - len(cells))
        yield NumberedRow(number, dict(zip(columns, map(_restore, cells), strict=True)))


def _read_header(file: TextIO) -> tuple[list[str], str]:
    """The names of the columns, and what stands between them."""
    header = file.readline()
    delimiter = max(DELIMITERS, key=header.count)
    cells = next(csv.reader([header], delimiter=delimiter), [])
    return [cell.strip() for cell in cells], delimiter


def _iterate_json(file: TextIO, path: Path) -> Iterator[NumberedRow]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{path}:{number}: not a line of JSON") from None
        if not isinstance(content, dict):
            raise InputError(f"{path}:{number}: not a JSON object")
        # What is neither a text nor a whole number is no text of an image, and no row needs it.
        cells = {key: "" if value is None else value for key, value in content.items()}
        kept = {key: value for key, value in cells.items() if type(value) in (str, int)}
        yield NumberedRow(number, {key: str(value).strip() for key, value in kept.items()})


def _restore(cell: str) -> str:
    """Undo what `write_table` does to a cell that a spreadsheet would run as a formula."""
    cell = cell.strip()
    return cell[1:] if cell[:1] == ESCAPE and cell[1:2] in DEFUSED else cell
