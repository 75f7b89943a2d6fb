"""What changed between two runs on the validation images that both have. Pure.

Two Results -> changed images, labels side by side, differing params.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from captcha_tagger.report.results import Results


@dataclass(frozen=True)
class Shared:
    """An image's positions in the two validation parts."""

    a: int
    b: int


@dataclass(frozen=True)
class LabelPair:
    """A label's F1 in both runs; None where a run does not know the label or never met it."""

    label: str
    a: float | None
    b: float | None

    @property
    def change(self) -> float:
        return 0.0 if self.a is None or self.b is None else self.b - self.a


def share_images(a: Results, b: Results) -> list[Shared]:
    """The validation images of both runs: the same file with the same text and pixels."""
    places = {
        (row.file, row.text, row.pixels): place for place, row in enumerate(a.validation_rows)
    }
    return [
        Shared(places[key], place)
        for place, row in enumerate(b.validation_rows)
        if (key := (row.file, row.text, row.pixels)) in places
    ]


def find_broken(a: Results, b: Results, shared: list[Shared]) -> list[Shared]:
    """Right in a, wrong in b; the highest loss in b first."""
    changed = [pair for pair in shared if not a.wrong[pair.a] and b.wrong[pair.b]]
    return sorted(changed, key=lambda pair: -float(b.losses[pair.b].mean()))


def find_mended(a: Results, b: Results, shared: list[Shared]) -> list[Shared]:
    """Wrong in a, right in b; the highest loss in a first."""
    changed = [pair for pair in shared if a.wrong[pair.a] and not b.wrong[pair.b]]
    return sorted(changed, key=lambda pair: -float(a.losses[pair.a].mean()))


def pair_labels(a: Results, b: Results) -> list[LabelPair]:
    """Every label of either run; what got worst first, then by label."""
    scores = [_read_f1(results) for results in (a, b)]
    labels = sorted(scores[0].keys() | scores[1].keys())
    pairs = [LabelPair(label, *(score.get(label) for score in scores)) for label in labels]
    return sorted(pairs, key=lambda pair: (round(pair.change, 9), pair.label))


def list_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The params that differ, as `section.key`, with both values; nothing stands for none."""
    flat = [
        {
            f"{section}.{key}": str(value)
            for section, keys in params.items()
            for key, value in keys.items()
        }
        for params in (a, b)
    ]
    names = sorted(flat[0].keys() | flat[1].keys())
    rows = [(name, flat[0].get(name, ""), flat[1].get(name, "")) for name in names]
    return [row for row in rows if row[1] != row[2]]


def _read_f1(results: Results) -> dict[str, float]:
    scores = zip(results.vocabulary, (float(row["f1"]) for row in results.labels), strict=True)
    return {label: score for label, score in scores if score == score}
