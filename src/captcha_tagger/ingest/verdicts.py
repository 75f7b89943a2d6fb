"""What became of each file: a row of the manifest or a reject with its reason.

While images stream through, only the first of equal pixels can be kept, and a later file may still
show that they stand under two texts. So outcomes go to a spool first, and `settle` reads it once
all is known.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import write_table
from captcha_tagger.data.labels import Case, label_set
from captcha_tagger.data.manifest import Row, format_row
from captcha_tagger.data.pixels import Shape

CONFLICT = "conflict: the same pixels stand under another text"
SHOWN_REASONS = 3


class Reject(NamedTuple):
    """A file that is not in the manifest; an excused one is no fault of the data set."""

    file: str
    reason: str
    excused: bool = False


@dataclass(slots=True)
class SeenPixels:
    """The text of each pixels; which pixels recur, and which under two texts (by digest).

    Of the many the digest is kept as bytes, which take half the memory.
    """

    texts: dict[bytes, str] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    conflicting: set[str] = field(default_factory=set)

    def add(self, row: Row) -> bool:
        """Return whether these pixels are new."""
        digest = bytes.fromhex(row.pixels)
        text = self.texts.get(digest)
        if text is None:
            self.texts[digest] = row.text
            return True
        self.repeated.add(row.pixels)
        if text != row.text:
            self.conflicting.add(row.pixels)
        return False


@dataclass(slots=True)
class Tally:
    """What shape and case are kept, counts of files, and what else the whole spool tells."""

    shape: Shape
    case: Case = "keep"
    rows: int = 0
    rejected: int = 0
    excused: int = 0
    labels: set[str] = field(default_factory=set)
    examples: dict[str, str] = field(default_factory=dict)  # a file for each of the first reasons
    dropped_pixels: list[int] = field(default_factory=list)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)  # labels and corrections


def format_outcome(outcome: Row | Reject) -> str:
    """Return the outcome as a line of the spool."""
    return json.dumps(outcome) + "\n"


def settle(spool: Path, seen: SeenPixels, folder: Path, shape: Shape) -> Tally:
    """Write manifest.jsonl and rejects.csv; say which of the written pixels have no row."""
    tally = Tally(shape)
    with (folder / "manifest.jsonl").open("w", encoding="utf-8", newline="\n") as manifest:
        rejects = _sift(spool, seen, tally, manifest)
        table = ((reject.file, reject.reason) for reject in rejects)
        write_table(folder / "rejects.csv", ["file", "reason"], table)
    return tally


def check_tally(tally: Tally, max_rejected: float, source: Path | str) -> None:
    """Raise InputError when nothing, too little or too uniform a set is left to learn from."""
    files = tally.rows + tally.rejected
    reasons = "; ".join(f"{file}: {reason}" for reason, file in tally.examples.items())
    if not files:
        if tally.excused:
            what = "no images but those that are left out; look at ingest.labels and .corrections"
            raise InputError(f"{source}: holds {what}")
        raise InputError(f"{source}: holds no images; set ingest.source")
    if not tally.rows:
        raise InputError(f"{source}: none of its {files} files can be used: {reasons}")
    if tally.rejected > max_rejected * files:
        raise InputError(
            f"{source}: {tally.rejected} of {files} files rejected, more than "
            f"ingest.max_rejected = {max_rejected:g} allows: {reasons}"
        )
    if len(tally.labels) < 2:
        label = "".join(tally.labels)
        raise InputError(f"{source}: {label!r} is the only label; there is nothing to tell apart")


def _sift(spool: Path, seen: SeenPixels, tally: Tally, manifest: TextIO) -> Iterator[Reject]:
    """Write each row that stays; yield each file that does not."""
    first_files: dict[str, str] = {}
    num_pixels = 0
    for outcome in _read_outcomes(spool):
        if isinstance(outcome, Reject):
            yield _count(outcome, tally)
            continue
        first_file = first_files.get(outcome.pixels)
        if outcome.pixels in seen.conflicting:
            if first_file is None:
                tally.dropped_pixels.append(num_pixels)
            yield _count(Reject(outcome.file, CONFLICT), tally)
        elif first_file is not None:
            reason = f"same pixels and text as {first_file}"
            yield _count(Reject(outcome.file, reason, excused=True), tally)
        else:
            tally.rows += 1
            tally.labels.update(label_set(outcome.text))
            manifest.write(format_row(outcome))
        if first_file is None:
            num_pixels += 1
            if outcome.pixels in seen.repeated:
                first_files[outcome.pixels] = outcome.file


def _read_outcomes(spool: Path) -> Iterator[Row | Reject]:
    with spool.open(encoding="utf-8") as lines:
        for line in lines:
            values = json.loads(line)
            yield Row(*values) if len(values) == len(Row._fields) else Reject(*values)


def _count(reject: Reject, tally: Tally) -> Reject:
    if reject.excused:
        tally.excused += 1
    else:
        tally.rejected += 1
        if len(tally.examples) < SHOWN_REASONS:
            tally.examples.setdefault(reject.reason, reject.file)
    return reject
