"""Searches of the tiny pipeline, by Optuna."""

import os
import re
import signal
import time

import pytest

from captcha_tagger.base.files import read_json, write_json
from tests.project import Project
from tests.sweep.optunas import NEEDS_OPTUNA
from tests.sweep.sweeps import list_below, list_experiments, list_rows, start

pytestmark = [
    NEEDS_OPTUNA,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore"),  # MLflow's own
]


def test_a_search_that_is_killed_goes_on_with_the_same_trials(project: Project) -> None:
    words = ["--set", "fine_tune.weight_decay=1e-4..1e-1:log", "fine_tune.seed=0,1"]
    words += ["--name", "found", "--search", "2"]
    folder = project.root / ".state/sweeps/found"
    with start(project, *words) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("trial 1 of 2"):
            assert process.poll() is None
        while not (folder / "2/dvc.yaml").exists():
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    asked = read_json(folder / "asked.json")
    done = project.tagger("sweep", *words)
    lines = done.stdout.splitlines()
    assert lines[0] == "found: 2 trials, 1 of them done"
    settings = r"fine_tune\.weight_decay=\d\S* fine_tune\.seed=[01]"
    assert re.match(rf"trial 2 of 2: {settings}: text_accuracy 0\.\d{{4}}, ", lines[1])
    assert re.match(rf"best: trial \d: {settings}: exact_set 0\.\d{{4}}$", lines[2])
    assert read_json(folder / "asked.json") == asked
    assert list_experiments(project) == {"found-1", "found-2"}
    rows = list_rows(project)
    decays = [str(one["fine_tune.weight_decay.0"]) for one in asked]
    assert [row.params["fine_tune.weight_decay"] for row in rows] == decays
    assert {row.tags["captcha_tagger.sweep"] for row in rows} == {"found"}


def test_a_trial_that_falls_behind_is_pruned_and_not_asked_again(project: Project) -> None:
    """Five that share a model which reads well, and a long training that begins with nothing."""
    project.set_params(ingest={"height": "auto", "width": "auto"}, backbone={"source": "shipped"})
    words = ["--set", "backbone.source=shipped,random", "fine_tune.epochs=10,200"]
    words += ["top_losses.images=1..9", "--name", "cut", "--search", "6"]
    folder = project.root / ".state/sweeps/cut"
    asked = [choose("shipped", "10", number) for number in range(1, 6)]
    write_json(folder / "asked.json", [*asked, choose("random", "200", 1)])
    done = project.tagger("sweep", *words)
    lines = done.stdout.splitlines()
    assert re.match(
        r"trial 6 of 6: backbone\.source=random fine_tune\.epochs=200 top_losses\.images=1: "
        r"pruned after \d+ of 200 epochs: exact_set 0\.\d{4} is below the median of others there, "
        r"\d+ s$",
        lines[6],
    )
    assert lines[7].startswith("best: trial 1: backbone.source=shipped ")
    assert not (folder / "6").exists()
    assert list_below(folder) == []
    assert list_experiments(project) == {f"cut-{number}" for number in range(1, 6)}
    (row,) = list_rows(project)
    assert row.params["backbone.source"] == "shipped"
    again = project.tagger("sweep", *words)
    assert again.stdout.splitlines() == ["cut: 6 trials, 6 of them done", lines[7]]


def choose(source: str, epochs: str, images: int) -> dict[str, str | int]:
    """What the search might have asked for."""
    return {"backbone.source": source, "fine_tune.epochs": epochs, "top_losses.images.0": images}
