"""The report's pictures as PNG files, for `dvc plots show`, MLflow and the README.

Results -> data.png, curves.png, labels.png, top_losses.png. And images with their texts -> a
contact sheet, for who adopts them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from captcha_tagger.base.files import atomic_file
from captcha_tagger.data.pixels import Pixels
from captcha_tagger.data.sheet import pick_samples
from captcha_tagger.ingest.summary import Summary
from captcha_tagger.report.plots import style
from captcha_tagger.report.plots.curves import Plot, plot_training
from captcha_tagger.report.results import Results

COLUMNS = 4
DRAWN_LABELS = 60


def draw_data(path: Path, summary: Summary) -> None:
    """How many images hold each label, and how long the texts are."""
    labels = sorted(label for label, _ in summary.labels.most_common(DRAWN_LABELS))
    places = range(len(labels))
    lengths = sorted(summary.lengths)
    width = max(4.0, 0.2 * len(labels))
    with atomic_file(path) as beside, style.draw_figure(beside, width, 3.0) as (left, right):
        left.bar(
            places,
            [summary.labels[label] for label in labels],
            color=style.BLUE,
            label="in the text",
        )
        left.bar(
            places,
            [summary.repeated_labels[label] for label in labels],
            color=style.ORANGE,
            label="more than once in it",
        )
        left.set_xticks(places, labels)
        left.margins(y=0.25)
        left.set_title(f"Labels of {summary.images:,} images")
        left.set_ylabel("images")
        left.legend(ncols=2, loc="upper left")
        right.bar(lengths, [summary.lengths[length] for length in lengths], color=style.BLUE)
        right.set_xlim(lengths[0] - 2, lengths[-1] + 2)
        right.locator_params(axis="x", integer=True)
        right.set_title("Characters in a text")


def draw_curves(path: Path, results: Results) -> None:
    """The plots of training side by side."""
    with atomic_file(path) as beside, style.draw_figure(beside, 3.7, 3.6, 3.3) as cells:
        for axes, plot in zip(cells, plot_training(results), strict=True):
            _draw_plot(axes, plot)


def draw_labels(path: Path, results: Results) -> None:
    """F1 of each label, and how often it was missed and invented; of many labels the worst."""
    scores = np.array([float(row["f1"]) for row in results.labels])
    shown = np.sort(np.argsort(scores, kind="stable")[:DRAWN_LABELS])
    names = [results.vocabulary[column] for column in shown]
    places = np.arange(len(shown))
    width = max(4.0, 0.22 * len(shown))
    with atomic_file(path) as beside, style.draw_figure(beside, width, width) as (left, right):
        left.bar(places, scores[shown], color=style.BLUE)
        left.set_ylim(0, 1)
        left.set_title("F1 of each label")
        missed, invented = results.missed.sum(0)[shown], results.invented.sum(0)[shown]
        right.bar(places - 0.2, missed, 0.4, color=style.RED, label="missed")
        right.bar(
            places + 0.2, invented, 0.4, color=style.SKY, label="invented", hatch="///", ec="white"
        )
        right.set_title("Validation images with an error in the label")
        right.margins(y=0.2)
        right.legend(ncols=2)
        for axes in (left, right):
            axes.set_xticks(places, names)
            axes.grid(axis="x", visible=False)


def draw_top_losses(path: Path, results: Results, num_images: int) -> None:
    """The worst images with file name, labels, missed (−) and invented (+) ones, and loss."""
    worst = results.worst_first[:num_images]
    with (
        atomic_file(path) as beside,
        style.draw_grid(beside, len(worst), COLUMNS, cell=(2.5, 1.1)) as cells,
    ):
        for axes, position in zip(cells, worst.tolist(), strict=True):
            _show(axes, results.pixels[results.validation[position]])
            axes.set_title(_shorten(results.row_at(position).file), fontsize=8)
            axes.set_xlabel(_describe(results, position), fontsize=8)


def draw_samples(path: Path, texts: Sequence[str], pixels: Pixels) -> None:
    """Some of the images (images, channels, height, width), evenly spaced, above their texts."""
    shown = pick_samples(range(len(texts)))
    with (
        atomic_file(path) as beside,
        style.draw_grid(beside, len(shown), COLUMNS, cell=(2.5, 1.1)) as cells,
    ):
        for axes, row in zip(cells, shown, strict=True):
            _show(axes, pixels[row])
            axes.set_xlabel(texts[row], fontsize=10)


def _show(axes: Any, pixels: Pixels) -> None:
    axes.imshow(np.moveaxis(pixels, 0, -1), cmap="gray", vmin=0, vmax=255, aspect="equal")


def _describe(results: Results, position: int) -> str:
    missed, invented = (
        results.spell(mask[position]) for mask in (results.missed, results.invented)
    )
    parts = [results.spell(results.targets[position]), f"−{missed}" if missed else ""]
    parts += [f"+{invented}" if invented else "", f"loss {results.losses[position].mean():.3f}"]
    return "   ".join(part for part in parts if part)


def _shorten(name: str, length: int = 34) -> str:
    """The end of a long path: there is what tells files apart."""
    return name if len(name) <= length else f"…{name[-length:]}"


def _draw_plot(axes: Any, plot: Plot) -> None:
    for series in plot.series:
        look = style.LINES[series.kind] | ({} if series.dots else {"marker": ""})
        axes.plot(*np.reshape(series.points, (-1, 2)).T, label=series.name, **look)
    axes.set(title=plot.title, xlabel=plot.x_label, ylabel=plot.y_label)
    if plot.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    elif plot.y_range:
        axes.set_ylim(plot.y_range[0], 1.02 * plot.y_range[1])
    else:
        axes.set_ylim(bottom=0)
    if len(plot.series) > 1:
        axes.legend()
    for step, text in plot.marks:
        axes.axvline(step, color="#666666", linestyle=":", linewidth=1)
        axes.annotate(
            text, (step, 1), xycoords=("data", "axes fraction"), xytext=(3, -9),
            textcoords="offset points", fontsize=8, color="#555555",
        )  # fmt: skip
