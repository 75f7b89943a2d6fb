"""The driver of a sweep: has trials run, a few at a time, and keeps what they find.

Trials -> DVC experiments under one baseline, and rows of the record, both written here alone.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import redirect_stderr
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import write_json
from captcha_tagger.base.places import state_folder
from captcha_tagger.reproduce.verify import DVC, environment
from captcha_tagger.sweep.plan import Settings, describe
from captcha_tagger.sweep.progress import NOTHING, Progress, read_progress
from captcha_tagger.sweep.proposals import Proposals
from captcha_tagger.sweep.trial import STOPPED, Outcome, Trial, end_processes_below
from captcha_tagger.tracking.recorder import record_clone

TAG = "captcha_tagger.sweep"  # of a row: the sweep's name
SHOWN_SCORES = ("text_accuracy", "exact_set")
LOOK_SECONDS = 1.0  # how often the trials at work are judged
STOP_SECONDS = 20.0  # for trials on other machines to end themselves

Runner = Callable[[Trial], Outcome]


class Driver:
    """Runs the trials of a sweep of this name."""

    def __init__(
        self, proposals: Proposals, name: str, make: Callable[[int, Settings], Trial]
    ) -> None:
        self._proposals, self._name, self._make = proposals, name, make
        self._at_work: dict[Future[Outcome], Trial] = {}
        self._seen: dict[int, Progress] = {}
        self._pruned: dict[int, Outcome] = {}

    def run_all(self, run: Runner, jobs: int) -> int:
        """Say a line for each trial; how many have failed."""
        failed = 0
        pool = ThreadPoolExecutor(jobs)
        try:
            while self._fill(pool, run, jobs):
                done, _ = wait(self._at_work, LOOK_SECONDS, FIRST_COMPLETED)
                for future in done:
                    failed += self._finish(future)
                self._judge()
        except BaseException:  # Ctrl-C above all: no trial shall go on without its driver
            self._end_all(pool)
            raise
        pool.shutdown()
        return failed

    def _fill(self, pool: ThreadPoolExecutor, run: Runner, jobs: int) -> bool:
        """Begin what may begin; whether anything is at work."""
        while len(self._at_work) < jobs and (asked := self._proposals.ask()):
            trial = self._make(*asked)
            trial.stop.unlink(missing_ok=True)
            self._at_work[pool.submit(run, trial)] = trial
        return bool(self._at_work)

    def _finish(self, future: "Future[Outcome]") -> bool:
        trial = self._at_work.pop(future)
        outcome = _settle(lambda: self._take(future, trial), trial, self._name)
        self._proposals.tell(trial.number, outcome)
        head = f"trial {trial.number} of {self._proposals.total}: {describe(trial.settings)}"
        print(f"{head}: {_describe(outcome, trial)}", flush=True)
        return bool(outcome.failure)

    def _take(self, future: "Future[Outcome]", trial: Trial) -> Outcome:
        outcome = future.result()
        if outcome.failure == STOPPED and trial.number in self._pruned:
            return self._pruned[trial.number]._replace(seconds=outcome.seconds)
        return outcome

    def _judge(self) -> None:
        """End what is not worth going on with, by each epoch that is new."""
        for trial in self._at_work.values():
            progress = read_progress(trial.clone)
            if trial.number in self._pruned or progress == self._seen.get(trial.number, NOTHING):
                continue
            self._seen[trial.number] = progress
            if why := self._proposals.judge(progress):
                self._pruned[trial.number] = Outcome(0.0, {}, progress=progress, pruned=why)
                trial.stop.touch()

    def _end_all(self, pool: ThreadPoolExecutor) -> None:
        for trial in self._at_work.values():
            trial.stop.touch()
        pool.shutdown(wait=False, cancel_futures=True)
        for trial in self._at_work.values():
            end_processes_below(trial.clone)
        wait(self._at_work, STOP_SECONDS)


def run_dvc(folder: Path, *words: str) -> str:
    """What a command of DVC prints; OSError with its last line where it fails."""
    done = subprocess.run(
        [*DVC, *words], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [""]
        raise OSError(f"dvc {' '.join(words[:2])}: {said[-1]}")
    return done.stdout


def _settle(result: Callable[[], Outcome], trial: Trial, name: str) -> Outcome:
    """Keep what a trial has found: the experiment, the row, and that it is done.

    Where the driver is killed in between it all comes twice, and the second time changes nothing.
    """
    try:
        outcome = result()
        if outcome.failure:
            return outcome
        if not outcome.pruned:
            # The cache is theirs in common; an experiment of the name is this trial's from before.
            run_dvc(trial.clone, "exp", "push", "--no-cache", "--force", "origin", trial.name)
            _record(trial, name)
        found = {**outcome._asdict(), "settings": trial.settings}
        write_json(trial.log.with_suffix(".json"), found)
    except (OSError, ValueError) as error:  # an InputError, too: a trial costs no other
        return Outcome(0.0, {}, str(error))
    shutil.rmtree(trial.clone, ignore_errors=True)
    trial.stop.unlink(missing_ok=True)
    return outcome


def _record(trial: Trial, name: str) -> None:
    if os.environ.get("CAPTCHA_TAGGER_RECORD") in ("off", "keep"):
        return
    try:
        # MLflow has much to tell.
        with (state_folder() / "record.log").open("a") as log, redirect_stderr(log):
            record_clone(trial.clone, {TAG: name})
    except (InputError, OSError) as error:
        print(f"{trial.name}: not recorded: {error}; `make record` completes it", file=sys.stderr)


def _describe(outcome: Outcome, trial: Trial) -> str:
    if outcome.failure:
        return f"failed: {outcome.failure} (see {trial.log})"
    if outcome.pruned:
        return f"pruned {outcome.pruned}, {outcome.seconds:.0f} s"
    scores = [f"{key} {outcome.scores[key]:.4f}" for key in SHOWN_SCORES if key in outcome.scores]
    return f"{', '.join(scores)}, {outcome.seconds:.0f} s"
