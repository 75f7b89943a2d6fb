"""The page's charts: training over both phases, precision against recall, calibration.

Results -> Charts.
"""

from collections import Counter
from itertools import groupby

from captcha_tagger.report.charts import Chart, Point, Series, draw_lines, thin
from captcha_tagger.report.results import Results, Table

UNFREEZING = "unfreezing"


def find_unfreezing(steps: Table) -> list[tuple[float, str]]:
    """The first step of every phase after the first, with its name."""
    firsts = [int(next(rows)["step"]) for _, rows in groupby(steps, lambda row: row["phase"])]
    return [(step, UNFREEZING) for step in firsts[1:]]


def draw_training(results: Results) -> list[Chart]:
    """Loss, metrics and learning rate against the step; nothing where nothing was trained."""
    if not results.steps:
        return []
    marks = find_unfreezing(results.steps)
    steps: Point = (0, max(1, int(results.steps[-1]["step"])))
    return [
        draw_lines(
            "Loss",
            [
                Series("each step", "faint", thin(read_points(results.steps, "loss"))),
                Series("training", "first", read_points(results.epochs, "train_loss"), dots=True),
                Series(
                    "validation",
                    "second",
                    read_points(results.epochs, "validation_loss"),
                    dots=True,
                ),
            ],
            x_label="step",
            x_range=steps,
            y_label="binary cross-entropy",
            logarithmic=True,
            marks=marks,
        ),
        draw_lines(
            "Validation metrics",
            [
                Series(name, kind, read_points(results.epochs, key), dots=True)
                for name, key, kind in (
                    ("label accuracy", "label_accuracy", "first"),
                    ("micro F1", "micro_f1", "second"),
                    ("exact set", "exact_set", "third"),
                )
            ],
            x_label="step",
            x_range=steps,
            y_label="share",
            y_range=(0, 1),
            marks=marks,
        ),
        draw_lines(
            "Learning rate",
            [
                Series(
                    "highest of the layer groups",
                    "first",
                    thin(read_points(results.steps, "learning_rate")),
                )
            ],
            x_label="step",
            x_range=steps,
            y_label="learning rate",
            marks=marks,
        ),
    ]


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


def draw_decisions(results: Results) -> list[Chart]:
    """Precision against recall, and how often a label was there against its prob."""
    share: Point = (0, 1)
    precision_recall = [
        (float(row["recall"]), float(row["precision"])) for row in results.precision_recall
    ]
    calibration = [
        (float(row["mean_prob"]), float(row["share_present"])) for row in results.calibration
    ]
    return [
        draw_lines(
            "Calibration",
            [
                Series("perfect", "reference", [(0, 0), (1, 1)]),
                Series("model", "first", calibration, dots=True),
            ],
            x_label="mean prob of the bin",
            y_label="share with the label",
            x_range=share,
            y_range=share,
        ),
        draw_lines(
            "Precision and recall",
            [Series("all labels pooled", "first", precision_recall)],
            x_label="recall",
            y_label="precision",
            x_range=share,
            y_range=share,
        ),
    ]


def read_points(table: Table, column: str, x: str = "step") -> list[Point]:
    """The column against the step, as the history tables hold them."""
    return [(float(row[x]), float(row[column])) for row in table]
