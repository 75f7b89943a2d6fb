"""Fine-tuning by several workers as a stage: the same file, whoever computes or is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.cluster.rays import NEEDS_RAY
from tests.stages.conftest import ROOT, Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def start(
    workspace: Workspace, workers: int, out: str, cluster: str | None = None
) -> "subprocess.Popen[str]":
    compute = {"workers": workers, "cluster": cluster, **SAVING}
    workspace.change({"fine_tune": {"shards": 4}, "compute": compute})
    paths = [workspace.data / path for path in ("ingest", "split", "train_head", out)]
    return subprocess.Popen(
        [sys.executable, ROOT / "stages" / "fine_tune.py", *paths],
        cwd=workspace.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "DVC_ROOT": str(workspace.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


SAVING = {"save_every_seconds": 0}  # after each step


def finish(workspace: Workspace, workers: int, out: str) -> str:
    with start(workspace, workers, out) as process:
        told = process.communicate()[0]
    assert process.returncode == 0, told
    return told


def wait_for_save(workspace: Workspace, process: "subprocess.Popen[str]") -> Path:
    while not (saved := list((workspace.folder / ".state" / "resume").glob("fine_tune-*.pt"))):
        assert process.poll() is None, "it ended without saving"
        time.sleep(0.005)
    return saved[0]


def test_the_model_is_the_same_file_for_one_two_and_four_workers(trained: Workspace) -> None:
    for workers in (1, 2, 4):
        finish(trained, workers, f"by_{workers}")
    for name in ("model/weights.safetensors", "model/model.json", "steps.csv", "epochs.csv"):
        made = [trained.read(f"by_{workers}", name) for workers in (1, 2, 4)]
        assert made[0] == made[1] == made[2], name


@pytest.mark.parametrize(
    ("before", "after", "cluster"),
    [(4, 2, None), (2, 1, None), (1, 4, None), pytest.param(2, 1, "local", marks=NEEDS_RAY)],
)
def test_a_killed_first_process_takes_its_workers_along_and_goes_on_with_others(
    trained: Workspace, before: int, after: int, cluster: str | None
) -> None:
    """With Ray, all of its processes are the workers that go along."""
    finish(trained, 1, "undisturbed")
    with start(trained, before, "killed", cluster) as process:
        wait_for_save(trained, process)
        workers = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
    assert len(workers) >= before - 1
    assert not psutil.wait_procs(workers, timeout=180)[1]  # Ray's agents look up now and then
    assert "fine tune: going on after step" in finish(trained, after, "killed")
    weights = "model/weights.safetensors"
    assert trained.read("killed", weights) == trained.read("undisturbed", weights)
