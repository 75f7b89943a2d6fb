"""Texts of images that do not come from their names: from a table of labels, or of corrections.

The params of ingest and the names in a source -> KnownTexts, which gives each file its text.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from captcha_tagger.base.files import hash_file
from captcha_tagger.base.shown import UNFIT
from captcha_tagger.data.labels import Case
from captcha_tagger.ingest.corrections import DROP, Correction, check_files, read_corrections
from captcha_tagger.ingest.label_file import Labels, read_labels
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.source.limits import Found, Listed, refuse_name


class Known(NamedTuple):
    """The text of one image, if its name does not say it, or why the image is left out."""

    text: str | None
    reason: str = ""
    excused: bool = False


@dataclass(frozen=True, slots=True)
class KnownTexts:
    """The labels and corrections of one source, and the images without either that are no rejects,
    as `ingest.unlabelled` says."""

    params: Ingest
    labels: Labels
    corrections: dict[str, Correction]
    skipped: Collection[str]

    def put(self, files: Iterable[Found]) -> Iterator[Found]:
        """Give each file its text, or the reason that it is left out for."""
        return (put(found, self.look_up(found.file)) for found in files)

    def fold(self, case: Case) -> Self:
        """The same answers, their texts in this case."""
        return replace(self, params=self.params.model_copy(update={"case": case}))

    def describe(self) -> dict[str, dict[str, Any]]:
        """What the data report says of tables with rows; their MD5s are those of dvc.lock."""
        found: dict[str, dict[str, Any]] = {}
        if self.labels.rows:
            found["labels"] = {
                "rows": self.labels.rows,
                "without_image": len(self.labels.left_over),
                "without_text": len(self.labels.unlabelled),
                "md5": hash_file(Path(self.params.labels)),
            }
        if self.corrections:
            dropped = sum(each.text == DROP for each in self.corrections.values())
            found["corrections"] = {
                "texts": len(self.corrections) - dropped,
                "dropped": dropped,
                "md5": hash_file(Path(self.params.corrections)),
            }
        return found

    def look_up(self, name: str) -> Known:
        """What is known of the image with this name."""
        if correction := self.corrections.get(name):
            if correction.text != DROP:
                return Known(correction.text)
            why = f": {correction.why}" if correction.why else ""
            return Known(None, f"dropped by {self.params.corrections}{why}", excused=True)
        if reason := self.labels.reasons.get(name, ""):
            return Known(None, reason, excused=name in self.skipped)
        return Known(self.labels.texts.get(name))

    def excuse(self, listed: Listed) -> Listed:
        """The tables themselves may lie in the source."""
        if refuse_name(listed.name) is None or UNFIT.search(listed.name):  # the latter is no path
            return listed
        path = os.path.realpath(os.path.join(self.params.source, listed.name))  # noqa: PTH118
        tables = (self.params.labels, self.params.corrections)
        if path in map(os.path.realpath, tables):
            return listed._replace(refusal="the table of texts itself", clutter=True)
        return listed


def put(found: Found, known: Known) -> Found:
    """Give a file that could be read its text, or the reason that it is left out for."""
    if found.refusal:
        return found
    if known.reason:
        return Found(found.file, refusal=known.reason, clutter=known.excused)
    return found._replace(text=known.text)


def read_known_texts(params: Ingest, source: Path | str, names: Sequence[str]) -> KnownTexts:
    """Read both tables; InputError names the first row that cannot be meant."""
    images = [name for name in names if refuse_name(name) is None]
    first, second = params.label_columns
    labels = read_labels(Path(params.labels), (first, second), images)
    corrections = read_corrections(Path(params.corrections), params.case)
    check_files(Path(params.corrections), corrections, images, source)
    skipped = labels.unlabelled - corrections.keys() if params.unlabelled == "skip" else set()
    return KnownTexts(params, labels, corrections, skipped)
