"""What is known of images beside their names: labels, and corrections of both.

The params of ingest and the names in a source -> KnownTexts, which put it to each file.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from captcha_tagger.base.files import hash_file
from captcha_tagger.data.labels import Case
from captcha_tagger.ingest.corrections import DROP, Correction, check_files, read_corrections
from captcha_tagger.ingest.label_file import Labels, read_labels
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.source.limits import Found, refuse_name


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
        return map(self._put, files)

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

    def _put(self, found: Found) -> Found:
        if found.refusal:
            return self._excuse(found)
        if correction := self.corrections.get(found.file):
            if correction.text != DROP:
                return found._replace(text=correction.text)
            why = f": {correction.why}" if correction.why else ""
            reason = f"dropped by {self.params.corrections}{why}"
            return Found(found.file, refusal=reason, clutter=True)
        if reason := self.labels.reasons.get(found.file, ""):
            return Found(found.file, refusal=reason, clutter=found.file in self.skipped)
        return found._replace(text=self.labels.texts.get(found.file))

    def _excuse(self, found: Found) -> Found:
        """The tables themselves may lie in the source."""
        path = os.path.realpath(os.path.join(self.params.source, found.file))  # noqa: PTH118
        tables = (self.params.labels, self.params.corrections)
        if path in map(os.path.realpath, tables):
            return found._replace(refusal="the table of texts itself", clutter=True)
        return found


def read_known_texts(params: Ingest, source: Path, names: Sequence[str]) -> KnownTexts:
    """Read both tables; InputError names the first row that cannot be meant."""
    images = [name for name in names if refuse_name(name) is None]
    first, second = params.label_columns
    labels = read_labels(Path(params.labels), (first, second), images)
    corrections = read_corrections(Path(params.corrections), params.case)
    check_files(Path(params.corrections), corrections, images, source)
    skipped = labels.unlabelled - corrections.keys() if params.unlabelled == "skip" else set()
    return KnownTexts(params, labels, corrections, skipped)
