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
    words += ["--name", "found", "--search"]
    folder = project.root / ".state/sweeps/found"
    with start(project, *words, "2") as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("trial 1 of 2"):
            assert process.poll() is None
        while not (folder / "2/dvc.yaml").exists():
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    asked = read_json(folder / "asked.json")
    done = project.tagger("sweep", *words, "3")
    lines = done.stdout.splitlines()
    assert lines[0] == "found: 3 trials, 1 of them done"
    settings = r"fine_tune\.weight_decay=\d\S* fine_tune\.seed=[01]"
    for number, line in enumerate(lines[1:3], start=2):
        assert re.match(rf"trial {number} of 3: {settings}: text_accuracy 0\.\d{{4}}, ", line)
    assert re.match(rf"best: trial \d: {settings}: exact_set 0\.\d{{4}}$", lines[3])
    assert read_json(folder / "asked.json")[:2] == asked
    assert list_experiments(project) == {"found-1", "found-2", "found-3"}
    rows = list_rows(project)
    decays = [f"{one['fine_tune.weight_decay.0']}" for one in read_json(folder / "asked.json")]
    assert [row.params["fine_tune.weight_decay"] for row in rows] == decays
    assert {row.tags["captcha_tagger.sweep"] for row in rows} == {"found"}


def test_a_trial_that_falls_behind_is_pruned_and_not_asked_again(project: Project) -> None:
    """Five trainings that read well from the start, and a long one that begins with nothing."""
    project.set_params(backbone={"source": "shipped"})
    words = ["--set", "backbone.source=shipped,random", "fine_tune.epochs=10..400"]
    words += ["--name", "cut", "--search", "6"]
    folder = project.root / ".state/sweeps/cut"
    good = [{"backbone.source": "shipped", "fine_tune.epochs.0": 10 + n} for n in range(5)]
    bad = {"backbone.source": "random", "fine_tune.epochs.0": 400}
    write_json(folder / "asked.json", [*good, bad])
    done = project.tagger("sweep", *words)
    lines = done.stdout.splitlines()
    assert re.match(
        r"trial 6 of 6: backbone\.source=random fine_tune\.epochs=400: pruned after \d+ of 400 "
        r"epochs: exact_set 0\.\d{4} is below the median of others there, \d+ s$",
        lines[6],
    )
    assert lines[7].startswith("best: trial ")
    assert not (folder / "6").exists()
    assert list_below(folder) == []
    assert list_experiments(project) == {f"cut-{number}" for number in range(1, 6)}
    assert {row.params["backbone.source"] for row in list_rows(project)} == {"shipped"}
    again = project.tagger("sweep", *words)
    assert again.stdout.splitlines() == ["cut: 6 trials, 6 of them done", lines[7]]
