"""What a set of labelled images is like: counts, sizes, text lengths, labels, repeated characters.

Rows of the manifest -> a summary, from which come report.json (numbers for `dvc metrics`),
labels.csv (for `dvc plots`), report.md and data.png (for people).
"""

import html
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captcha_tagger import plots
from captcha_tagger.files import atomic_file, write_json, write_table
from captcha_tagger.manifest import Row

OUTLIER_SHARE = 0.01  # a text length as rare as this is more often a slip than a captcha
SHOWN = 20
DRAWN_LABELS = 60

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


def write_report(folder: Path, summary: Summary, *, rejected: int, excused: int) -> None:
    """Write report.json, labels.csv, report.md and data.png; excused files are no fault."""
    write_json(folder / "report.json", _list_numbers(summary, rejected, excused))
    columns = ["label", "images", "share", "repeated"]
    write_table(folder / "labels.csv", columns, _list_labels(summary))
    with atomic_file(folder / "report.md") as path:
        path.write_text(_format_page(summary, rejected, excused), encoding="utf-8")
    with atomic_file(folder / "data.png") as path:
        _draw(path, summary)


def _list_numbers(summary: Summary, rejected: int, excused: int) -> dict[str, Any]:
    widths, heights = zip(*summary.sizes, strict=True)
    counts = summary.labels.values()
    return {
        "files": {"all": summary.images + rejected + excused, "rejected": rejected,
                  "excused": excused},
        "images": summary.images,
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


def _format_page(summary: Summary, rejected: int, excused: int) -> str:
    overview = [
        ("images", summary.images),
        ("rejected files (see rejects.csv)", rejected),
        ("files set aside without fault: repeated images, system files", excused),
        ("different texts", len(summary.texts)),
        ("labels", len(summary.labels)),
        ("images in which a character stands more than once", summary.repeating_images),
    ]
    sizes = sorted(summary.sizes.items(), key=lambda item: (-item[1], item[0]))
    outliers = [
        (length, summary.lengths[length], ", ".join(summary.files_by_length[length]))
        for length in summary.outlier_lengths
    ]
    parts = [
        "# The images\n",
        _format_table(["", "number"], overview),
        "\n## Sizes\n",
        _format_table(
            ["width x height", "images"],
            [(f"{width} x {height}", count) for (width, height), count in sizes[:SHOWN]],
        ),
        f"\n{len(sizes) - SHOWN} rarer sizes are not shown.\n" if len(sizes) > SHOWN else "",
        "\n## Text lengths\n",
        _format_table(["characters", "images"], sorted(summary.lengths.items())),
        "\n## Texts of unusual length\n" if outliers else "",
        _format_table(["characters", "images", "files"], outliers) if outliers else "",
        "\n## Labels\n",
        _format_table(["label", "images", "share", "repeated"], _list_labels(summary)),
    ]
    return "".join(parts)


def _format_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(_escape, line))} |\n" for line in lines)


def _escape(cell: Any) -> str:
    """Return the cell as text that neither Markdown nor HTML takes for markup."""
    escaped = html.escape(str(cell))
    return "".join(f"&#{ord(mark)};" if mark in "|`*_[]\\" else mark for mark in escaped)


def _draw(path: Path, summary: Summary) -> None:
    labels = sorted(label for label, _ in summary.labels.most_common(DRAWN_LABELS))
    places = range(len(labels))
    lengths = sorted(summary.lengths)
    with plots.draw_figure(path, max(4.0, 0.2 * len(labels)), 3.0) as (left, right):
        left.bar(
            places,
            [summary.labels[label] for label in labels],
            color=plots.BLUE,
            label="in the text",
        )
        left.bar(
            places,
            [summary.repeated_labels[label] for label in labels],
            color=plots.ORANGE,
            label="more than once in it",
        )
        left.set_xticks(places, labels)
        left.margins(y=0.25)
        left.set_title(f"Labels of {summary.images:,} images")
        left.set_ylabel("images")
        left.legend(ncols=2, loc="upper left")
        right.bar(lengths, [summary.lengths[length] for length in lengths], color=plots.BLUE)
        right.set_xlim(lengths[0] - 2, lengths[-1] + 2)
        right.locator_params(axis="x", integer=True)
        right.set_title("Characters in a text")
