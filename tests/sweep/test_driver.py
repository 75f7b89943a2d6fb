"""What the driver does about trials that run elsewhere: it sees their files, and leaves one."""

import _thread
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json, write_json
from captcha_tagger.sweep import driver
from captcha_tagger.sweep.driver import Driver
from captcha_tagger.sweep.progress import Progress
from captcha_tagger.sweep.proposals import TrialList
from captcha_tagger.sweep.trial import STOPPED, Outcome, Trial
from tests.sweep.sweeps import make_trial


class Impatient(TrialList):
    """Ends whatever has an epoch behind it."""

    def judge(self, progress: Progress) -> str:
        return f"after {len(progress.scores)} of {progress.epochs} epochs"


def wait_for_the_end(trial: Trial) -> Outcome:
    """A trial on another machine: it is seen by its journal alone, and takes a moment to end."""
    journal = trial.clone / ".state/live/fine_tune-0"
    write_json(
        journal / "facts.json",
        {"wall_seconds": 1, "started": 1, "tags": {}, "status": "RUNNING", "epochs": 8},
    )
    (journal / "epochs.csv").write_text("epoch,exact_set\n1,0.25\n")
    while not trial.stop.exists():
        time.sleep(0.05)
    time.sleep(0.5)
    trial.log.write_text("ended")
    return Outcome(0.5, {}, STOPPED)


def test_ctrl_c_waits_until_trials_elsewhere_have_ended(tmp_path: Path) -> None:
    def interrupt() -> None:
        while not (tmp_path / "1/.state/live/fine_tune-0/epochs.csv").exists():
            time.sleep(0.05)
        _thread.interrupt_main()

    trials = TrialList([{"a.x": "1"}])
    trials.open(tmp_path)
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        Driver(trials, "trial", partial(make_trial, tmp_path)).run_all(wait_for_the_end, 1)
    assert (tmp_path / "1.log").read_text() == "ended"
    assert not (tmp_path / "1.json").exists()


def test_what_is_pruned_is_done_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(driver, "LOOK_SECONDS", 0.05)
    trials = Impatient([{"a.x": "1"}, {"a.x": "2"}])
    trials.open(tmp_path)
    (tmp_path / "1.stop").touch()  # left by a Ctrl-C
    make = partial(make_trial, tmp_path)
    assert Driver(trials, "trial", make).run_all(wait_for_the_end, 2) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "trial 1 of 2: a.x=1: pruned after 1 of 8 epochs, 0 s",
        "trial 2 of 2: a.x=2: pruned after 1 of 8 epochs, 0 s",
    ]
    assert read_json(tmp_path / "1.json")["progress"] == [[0.25], 8]
    assert not (tmp_path / "1").exists()
    again = Impatient(trials.trials)
    again.open(tmp_path)
    assert again.ask() is None


@pytest.mark.parametrize(
    "error", [InputError("/shared: not on b: share it"), ValueError("no number: 'x'"), OSError("x")]
)
def test_a_trial_that_fails_in_whatever_way_costs_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def run(trial: Trial) -> Outcome:
        if trial.number == 1:
            raise error
        return Outcome(0.5, {}, pruned="early")

    trials = TrialList([{"a.x": "1"}, {"a.x": "2"}])
    trials.open(tmp_path)
    assert Driver(trials, "trial", partial(make_trial, tmp_path)).run_all(run, 1) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"trial 1 of 2: a.x=1: failed: {error} (see {tmp_path / '1.log'})",
        "trial 2 of 2: a.x=2: pruned early, 0 s",
    ]
    assert not (tmp_path / "1.json").exists()
