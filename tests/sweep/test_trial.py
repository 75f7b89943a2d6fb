"""A trial that somebody wants to end, from wherever it is seen."""

import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from captcha_tagger.sweep.trial import STOPPED, Trial, run_trial
from tests.sweep.sweeps import list_below, make_trial

STAGE = "stages:\n  wait:\n    cmd: sleep 600\n"


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """One of a repository whose only stage waits for ten minutes."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "dvc.yaml").write_text(STAGE)
    for words in (
        ["git", "init", "-q"],
        [sys.executable, "-m", "dvc", "init", "-q"],
        ["git", "add", "-A"],
        ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org", "commit", "-qm", "."],
    ):
        subprocess.run(words, cwd=root, check=True)
    return make_trial(tmp_path, 1, {})


@pytest.mark.slow
def test_a_trial_at_work_ends_with_all_its_processes_where_the_file_is(trial: Trial) -> None:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run_trial, trial)
        while not any("sleep" in process.name() for process in list_below(trial.clone)):
            assert not future.done(), trial.log.read_text()
            time.sleep(0.1)
        trial.stop.touch()
        assert future.result(timeout=60).failure == STOPPED
    assert list_below(trial.clone) == []


RUN = "import pickle, sys; from captcha_tagger.sweep.trial import run_trial; "
RUN += "run_trial(pickle.load(sys.stdin.buffer))"


@pytest.mark.slow
def test_a_trial_ends_with_all_its_processes_when_its_runner_is_killed(trial: Trial) -> None:
    """As by a driver's death, on whatever machine it is at work."""
    with subprocess.Popen([sys.executable, "-c", RUN], stdin=subprocess.PIPE) as runner:
        assert runner.stdin is not None
        pickle.dump(trial, runner.stdin)
        runner.stdin.flush()
        while not any("sleep" in process.name() for process in list_below(trial.clone)):
            assert runner.poll() is None, trial.log.read_text()
            time.sleep(0.1)
        runner.kill()
    ends = time.monotonic() + 30
    while left := list_below(trial.clone):
        assert time.monotonic() < ends, left
        time.sleep(0.1)


@pytest.mark.slow
def test_a_trial_does_not_begin_where_the_file_is(trial: Trial) -> None:
    trial.stop.touch()
    assert run_trial(trial).failure == STOPPED
    assert not trial.clone.exists()
