"""Which curves there are: their columns, titles, scales and marks, for every way of drawing them.

Tables -> Plots, which `charts` draws into the page and `figures` into a PNG; dvc.yaml's plots show
the same columns under the same titles.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby

from captcha_tagger.report.results import Results, Table

Point = tuple[float, float]

UNFREEZING = "unfreezing"


@dataclass(frozen=True)
class Series:
    """A line, the column of a table; `kind` is its look, dots carry the value as a tooltip."""

    name: str
    kind: str
    table: str
    column: str
    dots: bool = False
    points: Sequence[Point] = ()


@dataclass(frozen=True)
class Plot:
    """Series on shared axes, whose ranges fit the data unless given; `x` is a column too."""

    title: str
    x: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_range: Point | None = None
    y_range: Point | None = None
    logarithmic: bool = False
    marks: Sequence[tuple[float, str]] = ()


SHARE: Point = (0, 1)
TRAINING = (
    Plot(
        "Loss", "step", "step", "mean loss",
        (
            Series("each step", "faint", "steps", "loss"),
            Series("training", "first", "epochs", "train_loss", dots=True),
            Series("validation", "second", "epochs", "validation_loss", dots=True),
        ),
        logarithmic=True,
    ),
    Plot(
        "Validation metrics", "step", "step", "share",
        (
            Series("label accuracy", "first", "epochs", "label_accuracy", dots=True),
            Series("micro F1", "second", "epochs", "micro_f1", dots=True),
            Series("exact set", "third", "epochs", "exact_set", dots=True),
            Series("text accuracy", "fourth", "epochs", "text_accuracy", dots=True),
        ),
        y_range=SHARE,
    ),
    Plot(
        "Learning rate", "step", "step", "learning rate",
        (Series("highest of the layer groups", "first", "steps", "learning_rate"),),
    ),
)  # fmt: skip
DECISIONS = (
    Plot(
        "Calibration", "mean_prob", "mean prob of the bin", "share with the label",
        (
            Series("perfect", "reference", "", "", points=((0, 0), (1, 1))),
            Series("model", "first", "calibration", "share_present", dots=True),
        ),
        x_range=SHARE,
        y_range=SHARE,
    ),
    Plot(
        "Precision and recall", "recall", "recall", "precision",
        (Series("all labels pooled", "first", "precision_recall", "precision"),),
        x_range=SHARE,
        y_range=SHARE,
    ),
)  # fmt: skip


TEXTS = (
    Plot(
        "Confidence of texts", "mean_confidence", "mean confidence of the bin", "share right",
        (
            Series("perfect", "reference", "", "", points=((0, 0), (1, 1))),
            Series("model", "first", "reliability", "text_accuracy", dots=True),
            Series("95 % from", "faint", "reliability", "low"),
            Series("to", "faint", "reliability", "high"),
        ),
        x_range=SHARE,
        y_range=SHARE,
    ),
    Plot(
        "Wrong texts if only the surest are answered", "coverage", "share of images", "wrong texts",
        (Series("surest first", "first", "coverage", "wrong"),),
        x_range=SHARE,
    ),
)  # fmt: skip


def plot_training(results: Results) -> list[Plot]:
    """Losses, metrics and learning rate of both phases against the step."""
    last = int(results.steps[-1]["step"]) if results.steps else 0
    marks, steps = find_unfreezing(results.steps), (0, max(1, last))
    tables = {"steps": results.steps, "epochs": results.epochs}
    return [replace(_fill(plot, tables), x_range=steps, marks=marks) for plot in TRAINING]


def plot_decisions(results: Results) -> list[Plot]:
    """How often a label was there against its prob, precision against recall, and what the
    confidence of texts is worth, where there are any."""
    tables = {
        "calibration": results.calibration,
        "precision_recall": results.precision_recall,
        "reliability": results.reliability,
        "coverage": results.coverage,
    }
    plots = [*DECISIONS, *TEXTS] if results.readings else DECISIONS
    return [_fill(plot, tables) for plot in plots]


def plot_epochs(names: Sequence[str], epochs: Sequence[Table]) -> list[Plot]:
    """Of each series by epoch a plot of its own, with a line for each of two experiments."""
    return [
        replace(
            plot,
            title=f"{plot.title}: {series.name}",
            x_label="epoch",
            series=tuple(
                replace(series, name=name, kind=kind, points=_read(table, "epoch", series.column))
                for name, kind, table in zip(names, ("first", "second"), epochs, strict=True)
            ),
        )
        for plot in TRAINING
        for series in plot.series
        if series.table == "epochs" and all(series.column in row for row in chain(*epochs))
    ]


def find_unfreezing(steps: Table) -> list[tuple[float, str]]:
    """The first step of every phase after the first, with its name."""
    firsts = [int(next(rows)["step"]) for _, rows in groupby(steps, lambda row: row["phase"])]
    return [(step, UNFREEZING) for step in firsts[1:]]


def describe_course(results: Results) -> list[tuple[str, str]]:
    """The training in a few lines: how long, from where to where, and its best epoch."""
    if not results.epochs:
        return []
    first, last = results.epochs[0], results.epochs[-1]
    best = min(results.epochs, key=lambda epoch: float(epoch["validation_loss"]))
    losses = [f"{float(epoch['validation_loss']):.3f}" for epoch in (first, last)]
    phases = Counter(epoch["phase"] for epoch in results.epochs)
    return [
        *((f"epochs of {phase}", str(epochs)) for phase, epochs in phases.items()),
        ("steps", f"{len(results.steps):,}"),
        ("validation loss, first to last", " → ".join(losses)),
        ("lowest validation loss", f"epoch {best['epoch']} of {last['epoch']}"),
    ]


def _fill(plot: Plot, tables: Mapping[str, Table]) -> Plot:
    series = (
        replace(one, points=_read(tables[one.table], plot.x, one.column)) if one.column else one
        for one in plot.series
    )
    drawn = [one for one in series if one.points or not any(tables.values())]
    return replace(plot, series=tuple(drawn))


def _read(table: Table, x: str, y: str) -> list[Point]:
    """The column's points; none where it is not there, as texts' scores with some heads."""
    return [(float(row[x]), float(row[y])) for row in table if y in row]
