"""Texts that a table gives images, in place of their names: `ingest.labels`.

A CSV or JSON lines, and the names of the images -> the text of each, or why it has none.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from captcha_tagger.base.shown import escape
from captcha_tagger.ingest.verdicts import Reject
from captcha_tagger.source.table import find_columns, iterate_lines

KAGGLE = ("Id", "Label")


@dataclass(slots=True)
class Labels:
    """Texts by file; by file, too, why one has none, and which of these just have none yet; and the
    rows that name no file. `rows` of 0 means: no table."""

    rows: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    unlabelled: set[str] = field(default_factory=set)
    left_over: list[Reject] = field(default_factory=list)


@dataclass(slots=True)
class _Entry:
    """What the rows of one name say: where the first stands, and all their texts."""

    number: int
    texts: set[str]
    files: list[str] = field(default_factory=list)


def read_labels(path: Path, columns: tuple[str, str], names: Iterable[str]) -> Labels:
    """Read the table, and find the images that its rows name; InputError when it is none."""
    entries = _read_entries(path, columns)
    if not entries:
        return Labels()
    found = Labels(rows=len(entries))
    by_base = _index_by_base(entries)
    for file in names:
        name = _find_name(file, entries, by_base)
        if name is None:
            found.reasons[file] = f"no row in {path}"
            found.unlabelled.add(file)
        else:
            entries[name].files.append(file)
    for name, entry in entries.items():
        _settle(path, name, entry, found)
    return found


def _read_entries(path: Path, columns: tuple[str, str]) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for number, cells in iterate_lines(path):
        file_column, text_column = find_columns(f"{path}:{number}", cells, columns, KAGGLE)
        name = cells[file_column].replace("\\", "/").removeprefix("./")
        entries.setdefault(name, _Entry(number, set())).texts.add(cells[text_column])
    return entries


def _settle(path: Path, name: str, entry: _Entry, found: Labels) -> None:
    where = f"{path}:{entry.number}"
    if not entry.files:
        reason = f"{where}: no such image in the source"
        found.left_over.append(Reject(escape(name) or where, reason, excused=True))
    elif len(entry.texts) > 1:
        reason = f"{where}: other rows give it another text"
        found.reasons |= dict.fromkeys(entry.files, reason)
    elif len(entry.files) > 1:
        reason = f"{where}: names {len(entry.files)} images; write the path of one"
        found.reasons |= dict.fromkeys(entry.files, reason)
    elif entry.texts == {""}:
        found.reasons[entry.files[0]] = f"{where}: no text yet"
        found.unlabelled.add(entry.files[0])
    else:
        found.texts[entry.files[0]] = next(iter(entry.texts))


def _index_by_base(entries: Iterable[str]) -> dict[str, list[str]]:
    """The names that begin with a folder, by what comes after the last."""
    by_base: dict[str, list[str]] = defaultdict(list)
    for name in entries:
        if "/" in name:
            by_base[posixpath.basename(name)].append(name)
    return by_base


def _find_name(file: str, entries: dict[str, _Entry], by_base: dict[str, list[str]]) -> str | None:
    """The name that a row gives a file: its path, the path's end, or a path that ends with it."""
    for name in _shorten(file):
        if name in entries:
            return name
    longer = [name for name in by_base.get(posixpath.basename(file), ()) if _ends_with(name, file)]
    return longer[0] if len(longer) == 1 else None


def _shorten(file: str) -> Iterator[str]:
    """`a/b.png`, `b.png`, `a/b`, `b`."""
    for name in (file, posixpath.splitext(file)[0]):
        parts = name.split("/")
        yield from ("/".join(parts[start:]) for start in range(len(parts)))


def _ends_with(name: str, file: str) -> bool:
    return name.endswith(f"/{file}")
