"""The reviewed corrections of texts, which leave the data as they are: `ingest.corrections`.

A CSV of file, text and why -> the text of each file that it names; the text `drop` takes an image
out.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import write_table
from captcha_tagger.data.labels import Case, clean_text
from captcha_tagger.source.table import find_columns, iterate_lines, read_columns

COLUMNS = ("file", "text", "why")
DROP = "drop"


class Correction(NamedTuple):
    """The text that an image has whatever its name or label says, or `drop`; and why."""

    text: str
    why: str


def read_corrections(path: Path, case: Case) -> dict[str, Correction]:
    """The corrections by file; InputError names the first row that is wrong."""
    corrections: dict[str, Correction] = {}
    for number, cells in iterate_lines(path):
        where = f"{path}:{number}"
        columns = find_columns(where, cells, COLUMNS)
        file, text, why = (cells[column] for column in columns)
        if not file:
            raise InputError(f"{where}: names no file")
        if file in corrections:
            raise InputError(f"{where}: {file}: corrected twice; leave one row")
        try:
            corrections[file] = Correction(DROP if text == DROP else clean_text(text, case), why)
        except InputError as error:
            raise InputError(f"{where}: {file}: {error}; write the text, or {DROP}") from None
    return corrections


def check_files(
    path: Path, corrections: Collection[str], names: Collection[str], source: Path | str
) -> None:
    """InputError names the first file that the source does not hold."""
    known = set(names) if corrections else set()
    for file in corrections:
        if file not in known:
            raise InputError(
                f"{path}: {file}: no such image in {source}; take the row out, or let "
                "ingest.corrections name another file"
            )


def append_corrections(path: Path, new: dict[str, Correction]) -> None:
    """Add rows to a table that may have more columns; what stands in it stays."""
    rows = [cells for _, cells in iterate_lines(path)] if path.exists() else []
    columns = (read_columns(path) if path.exists() else []) or list(COLUMNS)
    names = find_columns(str(path), columns, COLUMNS)
    rows += [dict(zip(names, (file, *each), strict=True)) for file, each in new.items()]
    write_table(path, columns, ([row.get(column, "") for column in columns] for row in rows))


def write_corrections(path: Path, corrections: dict[str, Correction]) -> None:
    """Write the table that `read_corrections` reads, in the order given."""
    write_table(path, COLUMNS, ((file, *each) for file, each in corrections.items()))
