"""Sweeps of the tiny pipeline: real clones, DVC experiments and rows of the record."""

import os
import re
import shutil
import signal
import subprocess
import time
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cluster.rays import NEEDS_RAY
from tests.project import Project
from tests.sweep.sweeps import ON_LOOPBACK, list_below, list_experiments, list_rows, start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore"),  # MLflow's own
]


def test_of_two_trials_one_fails_and_says_why(project: Project) -> None:
    """The first diverges, and the second is what `dvc exp run` would have made of its params."""
    words = ["--set", "fine_tune.learning_rates=[1e30, 1e30],[0.003, 0.001]", "--name", "two"]
    done = project.tagger("sweep", *words, check=False)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "two: 2 trials, 0 of them done"
    assert re.match(
        r"trial 1 of 2: fine_tune.learning_rates=\[1e30, 1e30\]: failed: fine_tune: .* \(see ",
        lines[1],
    )
    assert re.match(
        r"trial 2 of 2: .*: text_accuracy 0\.\d{4}, exact_set 0\.\d{4}, \d+ s$", lines[2]
    )
    assert list_experiments(project) == {"two-2"}
    (row,) = list_rows(project)
    assert (row.tags["captcha_tagger.sweep"], row.tags["dvc.exp_name"]) == ("two", "two-2")
    assert row.metrics["wall_seconds"] > 0
    assert row.models == 1
    project.dvc("exp", "apply", "two-2")
    assert project.scores()["exact_set"] == row.metrics["exact_set"]


def test_a_sweep_that_is_killed_goes_on_where_it_was(project: Project) -> None:
    words = ["--set", "split.seed=1,2", "--name", "cut"]
    with start(project, *words) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("trial 1 of 2"):
            assert process.poll() is None
        second = project.root / ".state/sweeps/cut/2"
        while not (second / "dvc.yaml").exists():
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    first = (project.root / ".state/sweeps/cut/1.log").stat().st_mtime_ns
    done = project.tagger("sweep", *words)
    assert done.stdout.splitlines()[0] == "cut: 2 trials, 1 of them done"
    assert (project.root / ".state/sweeps/cut/1.log").stat().st_mtime_ns == first
    assert list_experiments(project) == {"cut-1", "cut-2"}
    assert [row.params["split.seed"] for row in list_rows(project)] == ["1", "2"]
    other = project.tagger("sweep", "--set", "split.seed=1,3", "--name", "cut", check=False)
    assert other.returncode == 2
    assert "a sweep of this name has other trials" in other.stderr
    shutil.rmtree(project.root / ".state/sweeps/cut")
    other = project.tagger("sweep", "--set", "split.seed=1,3", "--name", "cut", check=False)
    assert other.returncode == 2
    assert "there is an experiment cut-1 already" in other.stderr
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_after_a_change_of_data_elsewhere_it_is_another_sweep(
    project: Project, tmp_path: Path
) -> None:
    """It was done, whatever had come meanwhile."""
    project.run("git", "rm", "-rq", "--cached", "images")
    (project.root / "images").rename(tmp_path / "images")
    project.set_params(ingest={"source": str(tmp_path / "images")})
    project.run("git", "commit", "-qam", "elsewhere")
    words = ["--set", "split.seed=1"]
    first = project.tagger("sweep", *words).stdout.splitlines()
    again = project.tagger("sweep", *words).stdout.splitlines()
    assert again == [first[0].replace("0 of them", "1 of them")]
    image = next((tmp_path / "images").iterdir())
    shutil.copyfile(image, image.with_stem(f"{image.stem}0"))
    name = first[0].partition(":")[0]
    named = project.tagger("sweep", *words, "--name", name, check=False)
    assert named.returncode == 2
    assert "other data; take another name" in named.stderr
    other = project.tagger("sweep", *words).stdout.splitlines()
    assert other[0] != first[0]
    assert other[0].endswith(": 1 trials, 0 of them done")


def test_ctrl_c_ends_the_trials_too(project: Project) -> None:
    clone = project.root / ".state/sweeps/stopped/1"
    with start(project, "--set", "split.seed=1,2", "--name", "stopped") as process:
        while not [one for one in list_below(clone) if "exp" in one.cmdline()]:
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        told = process.communicate()[0]
    assert (process.returncode, told.splitlines()[-1]) == (
        130, "captcha-tagger sweep: interrupted",
    )  # fmt: skip
    assert list_below(clone.parent) == []


def test_what_would_not_be_valid_is_said_before_anything_runs(project: Project) -> None:
    done = project.tagger("sweep", "--set", "fine_tune.epochs=1,many", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "captcha-tagger sweep: params.yaml with fine_tune.epochs=many: fine_tune.epochs: "
    )
    assert not (project.root / ".state/sweeps").exists()


@NEEDS_RAY
def test_five_folds_on_two_nodes_with_a_worker_killed(project: Project, cluster: Any) -> None:
    project.set_params(compute={"cluster": cluster.address})
    words = ["--set", "split.folds=5", "split.fold=0,1,2,3,4", "--name", "folds"]
    with start(project, *words, tagger=ON_LOOPBACK) as process:
        kill_a_worker(process, project.root / ".state/sweeps/folds/2")
        told = process.communicate()[0]
    assert process.returncode == 0, told
    assert list_experiments(project) == {f"folds-{number}" for number in range(1, 6)}
    rows = list_rows(project)
    assert sorted(row.params["split.fold"] for row in rows) == ["0", "1", "2", "3", "4"]
    assert {row.tags["captcha_tagger.sweep"] for row in rows} == {"folds"}
    assert not {key for row in rows for key in row.params if key == "compute.cluster"}


def kill_a_worker(process: "subprocess.Popen[str]", clone: Path) -> None:
    """End the task's process, and not what it has started, once DVC works in the clone."""
    while not (trained := list_below(clone, "exp")):
        assert process.poll() is None
        time.sleep(0.1)
    parent = trained[0].parent()
    assert parent is not None
    parent.kill()


@NEEDS_RAY
def test_trials_end_with_a_driver_and_a_node_that_are_lost(project: Project, cluster: Any) -> None:
    """Ray itself ends them on the node that lives on; and the sweep then goes on there."""
    project.set_params(compute={"cluster": cluster.address})
    words = ["--set", "split.seed=1,2", "--name", "orphans"]
    folder = project.root / ".state/sweeps/orphans"
    with start(project, *words, tagger=ON_LOOPBACK) as process:
        while not all(stages := [list_stages(folder / number) for number in "12"]):
            assert process.poll() is None
            time.sleep(0.1)
        for stage in chain.from_iterable(stages):
            stage.suspend()  # so that none ends by itself
        process.send_signal(signal.SIGSTOP)  # or it would begin one of them again
        cluster.remove_node(cluster.other, allow_graceful=False)
        process.kill()
    ends = time.monotonic() + 60
    while left := list_below(folder):
        assert time.monotonic() < ends, left
        time.sleep(0.1)
    with start(project, *words, tagger=ON_LOOPBACK) as process:
        told = process.communicate()[0]
    assert process.returncode == 0, told
    assert list_experiments(project) == {"orphans-1", "orphans-2"}
    assert sorted(row.params["split.seed"] for row in list_rows(project)) == ["1", "2"]


def list_stages(clone: Path) -> list[psutil.Process]:
    return [one for one in list_below(clone) if "stages/" in " ".join(one.cmdline())]
