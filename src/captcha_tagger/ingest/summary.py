"""What a set of labelled images is like: counts, sizes, text lengths, labels, repeated characters.

Rows of the manifest -> a Summary, from which come report.json and labels.csv (for `dvc plots`), and
later the report's picture and page.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captcha_tagger.base.files import write_json, write_table
from captcha_tagger.data.manifest import Row
from captcha_tagger.ingest.verdicts import Tally

OUTLIER_SHARE = 0.01  # a text length as rare as this is more often a slip than a captcha
SHOWN = 20

Table = list[tuple[Any, ...]]


@dataclass(slots=True)
class Summary:
    """Counts of images by what they have in common."""

    images: int = 0
    texts: set[str] = field(default_factory=set)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    repeated_labels: Counter[str] = field(default_factory=Counter)
    repeating_images: int = 0
    files_by_length: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def outlier_lengths(self) -> list[int]:
        """Return the rare text lengths, sorted."""
        rare = OUTLIER_SHARE * self.images
        return sorted(length for length, count in self.lengths.items() if count < rare)


def summarize(rows: Iterable[Row]) -> Summary:
    """Count the rows in one pass."""
    summary = Summary()
    for row in rows:
        summary.images += 1
        summary.texts.add(row.text)
        summary.sizes[row.width, row.height] += 1
        length = len(row.text)
        summary.lengths[length] += 1
        if len(summary.files_by_length[length]) < SHOWN:
            summary.files_by_length[length].append(row.file)
        labels = set(row.text)
        summary.labels.update(labels)
        if len(labels) < length:
            summary.repeating_images += 1
            summary.repeated_labels.update(label for label in labels if row.text.count(label) > 1)
    return summary


def write_summary(folder: Path, summary: Summary, tally: Tally) -> None:
    """Write report.json and labels.csv; excused files are no fault."""
    write_json(folder / "report.json", _list_numbers(summary, tally))
    columns = ["label", "images", "share", "repeated"]
    write_table(folder / "labels.csv", columns, _list_labels(summary))


def _list_numbers(summary: Summary, tally: Tally) -> dict[str, Any]:
    widths, heights = zip(*summary.sizes, strict=True)
    counts = summary.labels.values()
    without_image = tally.tables.get("labels", {}).get("without_image", 0)  # rows, not files
    excused = tally.excused - without_image
    return {
        "files": {
            "all": tally.rows + tally.rejected + excused,
            "rejected": tally.rejected,
            "excused": excused,
        },
        **tally.tables,
        "images": summary.images,
        "kept_as": tally.shape._asdict(),
        "case": tally.case,
        "texts": len(summary.texts),
        "labels": len(summary.labels),
        "images_per_label": {"min": min(counts), "max": max(counts)},
        "width": {"min": min(widths), "max": max(widths)},
        "height": {"min": min(heights), "max": max(heights)},
        "text_length": {
            "min": min(summary.lengths),
            "most_common": summary.lengths.most_common(1)[0][0],
            "max": max(summary.lengths),
            "outliers": sum(summary.lengths[length] for length in summary.outlier_lengths),
        },
        "repeating_share": _share(summary.repeating_images, summary.images),
    }  # fmt: skip


def _list_labels(summary: Summary) -> Table:
    return [
        (label, count, _share(count, summary.images), summary.repeated_labels[label])
        for label, count in sorted(summary.labels.items())
    ]


def _share(count: int, total: int) -> float:
    return round(count / total, 4)
