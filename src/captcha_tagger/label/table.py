"""The table of labels that grows, as `ingest.labels` reads it: file, text.

It is read anew before each change, so that what is written in it by hand meanwhile stays.
"""

from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import check_output, write_table
from captcha_tagger.source.table import iterate_lines

COLUMNS = ("file", "text")


class LabelTable:
    """A CSV of texts by file; its rows keep their order, new ones come last."""

    def __init__(self, path: Path) -> None:
        check_output("--out", path, ".csv")
        self._path = path

    def read(self) -> dict[str, str]:
        """All texts; InputError where the file is a table of something else."""
        if not self._path.exists():
            return {}
        rows = {}
        for number, cells in iterate_lines(self._path):
            if sorted(cells) != sorted(COLUMNS):
                raise InputError(
                    f"{self._path}:{number}: has the columns {', '.join(cells)}, not "
                    f"{', '.join(COLUMNS)}; name another file by --out"
                )
            rows[cells["file"]] = cells["text"]
        return rows

    def add(self, file: str, text: str) -> None:
        """Write the text of one file; the table is whole before and after."""
        write_table(self._path, COLUMNS, (self.read() | {file: text}).items())
