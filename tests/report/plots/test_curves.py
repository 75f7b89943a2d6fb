"""One set of curves, however they are drawn."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from captcha_tagger.report.plots.charts import draw_chart
from captcha_tagger.report.plots.curves import (
    DECISIONS,
    TRAINING,
    Plot,
    Series,
    plot_epochs,
    plot_training,
)
from captcha_tagger.report.plots.figures import draw_curves
from captcha_tagger.report.results import Results
from tests.repository import ROOT
from tests.runs import load_run, write_run

FOLDERS = {"steps": ("train_head", "fine_tune"), "epochs": ("train_head", "fine_tune"),
           "precision_recall": ("evaluate",), "calibration": ("evaluate",)}  # fmt: skip


def describe(plot: Plot, series: Series) -> dict[str, object]:
    """What dvc.yaml says of a series."""
    files = (f"data/{folder}/{series.table}.csv" for folder in FOLDERS[series.table])
    return {
        "title": f"{plot.title}: {series.name}",
        "x": plot.x,
        "y_label": plot.y_label,
        "y": dict.fromkeys(files, series.column),
    }


def test_the_curves_of_dvc_are_among_ours() -> None:
    ours = [describe(p, s) for p in (*TRAINING, *DECISIONS) for s in p.series if s.column]
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    curves = [
        {key: value for key, value in plot.items() if key != "template"}
        for entry in plots
        if isinstance(entry, dict)
        for plot in entry.values()
        if not plot["template"].startswith("bar")
    ]
    assert len(curves) == 3
    for curve in curves:
        assert curve in ours


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load_run(write_run(tmp_path_factory.mktemp("run")))


def test_a_plot_shows_the_columns_of_both_phases(results: Results) -> None:
    loss, metrics, rate = plot_training(results)
    assert [len(series.points) for series in loss.series] == [60, 6, 6]
    for plot in (loss, metrics, rate):
        assert plot.x_range == (0, 59)
        assert plot.marks == [(20, "unfreezing")]
        for series in plot.series:
            table = getattr(results, series.table)
            assert [y for _, y in series.points] == [float(row[series.column]) for row in table]


def test_two_experiments_share_a_plot_of_each_series(results: Results) -> None:
    plots = plot_epochs(("a", "b"), (results.epochs, results.epochs[:3]))
    assert [plot.title for plot in plots] == [
        "Loss: training",
        "Loss: validation",
        "Validation metrics: label accuracy",
        "Validation metrics: micro F1",
        "Validation metrics: exact set",
    ]
    for plot in plots:
        assert [(one.name, len(one.points)) for one in plot.series] == [("a", 6), ("b", 3)]
        assert draw_chart(plot).x_label == "epoch"


def test_the_picture_moves_with_the_numbers(results: Results, tmp_path: Path) -> None:
    """A blank or wrong picture also had ten colours."""
    draw_curves(tmp_path / "one.png", results)
    results.epochs[3]["exact_set"] = "0.1"
    draw_curves(tmp_path / "two.png", results)
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        changed = np.flatnonzero((np.asarray(one) != np.asarray(two)).any((0, 2))) / one.width
    assert 1 / 3 < changed.min() < changed.max() < 0.7  # the middle plot alone
