"""One trial: a clone of the repository in which DVC runs one experiment, on any machine.

A Trial -> the experiment in the clone and its scores, or why there is none. The clone shares the
repository's cache, so that what was computed once is not computed again, and nothing else: DVC's
locks and stashes are its own, and what is interrupted leaves no trace in the repository.
"""

import configparser
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil

from captcha_tagger.base.files import read_json
from captcha_tagger.base.work.address import INSIDE
from captcha_tagger.reproduce.verify import DVC, environment
from captcha_tagger.sweep.guard import end_processes, guarding
from captcha_tagger.sweep.progress import NOTHING, Progress, read_whole_progress

SURROUNDINGS = {INSIDE: "1", "CAPTCHA_TAGGER_RECORD": "keep"}  # the driver alone records
LOOK_SECONDS = 0.5
STOPPED = "stopped"
FAILED_STAGE = re.compile(r"failed to reproduce '(\w+)'")

Run = Callable[[Path, Sequence[str | Path]], None]  # a command in a folder


@dataclass(frozen=True)
class Trial:
    """What to run, and where: `clone` is made there, `log` says what the commands said."""

    root: Path
    cache: Path
    clone: Path
    log: Path
    number: int
    name: str
    settings: dict[str, str]
    baseline: str  # the commit
    links: list[str]  # what the stages read that neither Git nor DVC keeps
    patch: bytes  # what the workspace has changed since then

    @property
    def stop(self) -> Path:
        """Where this file is, the trial ends itself, on whatever machine it is at work."""
        return self.log.with_suffix(".stop")


class Outcome(NamedTuple):
    """How long it took, and the scores, or in one line why there are none."""

    seconds: float
    scores: dict[str, float]
    failure: str = ""
    progress: Progress = NOTHING
    pruned: str = ""


class _FailedError(Exception):
    """A command has failed; its last words say why."""


class _StoppedError(Exception):
    """Somebody wants it to end."""


def run_trial(trial: Trial) -> Outcome:
    """Run the experiment from the beginning, but for what the cache and its resume file keep."""
    began = time.monotonic()
    try:
        with trial.log.open("wb") as log, guarding(log) as guarded:
            run = partial(_run, trial, environment() | SURROUNDINGS | guarded, log.fileno())
            _prepare(trial, run)
            words = [word for pair in trial.settings.items() for word in ("-S", "=".join(pair))]
            run(trial.clone, [*DVC, "exp", "run", "-n", trial.name, *words])
        scores = read_json(trial.clone / "data/evaluate/metrics.json")
        progress = read_whole_progress(trial.clone)
    except _StoppedError:
        return Outcome(time.monotonic() - began, {}, STOPPED)
    except (_FailedError, OSError) as error:
        failure = _explain(trial.log) if isinstance(error, _FailedError) else str(error)
        return Outcome(time.monotonic() - began, {}, failure)
    return Outcome(time.monotonic() - began, scores, progress=progress)


def end_processes_below(folder: Path) -> None:
    """Kill what trials have at work in the folder: a driver that was killed leaves it there."""
    end_processes(partial(_is_of_trial, folder))


def _prepare(trial: Trial, run: Run) -> None:
    """A new clone with the state of the one before, which may be interrupted in any way."""
    end_processes_below(trial.clone)
    state, kept = trial.clone / ".state", trial.clone.with_suffix(".state")
    if state.exists() and not kept.exists():
        state.rename(kept)
    shutil.rmtree(trial.clone, ignore_errors=True)
    run(trial.root, ["git", "clone", "--quiet", trial.root, trial.clone])
    run(trial.clone, ["git", "reset", "--quiet", "--hard", trial.baseline])
    if kept.exists():
        kept.rename(state)
    if trial.patch:
        changes = trial.log.with_suffix(".patch")
        changes.write_bytes(trial.patch)
        run(trial.clone, ["git", "apply", "--whitespace=nowarn", changes])
    _share_cache(trial)
    if any(_list_tracked(trial.clone)):
        run(trial.clone, [*DVC, "checkout", "--allow-missing"])
    for path in trial.links:  # after DVC, which would else write through them
        place = Path(os.path.normpath(trial.clone / path))
        if not os.path.lexists(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to((trial.root / path).resolve())


def _share_cache(trial: Trial) -> None:
    """The repository's own settings, and its cache."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(trial.root / ".dvc/config.local")
    if not config.has_section("cache"):
        config.add_section("cache")
    config.set("cache", "dir", str(trial.cache))
    with (trial.clone / ".dvc/config.local").open("w", encoding="utf-8") as file:
        config.write(file)


def _list_tracked(clone: Path) -> Iterator[Path]:
    return (path for path in clone.rglob("*.dvc") if path.is_file())


def _run(
    trial: Trial, variables: dict[str, str], log: int, folder: Path, words: Sequence[str | Path]
) -> None:
    if trial.stop.exists():
        raise _StoppedError
    with subprocess.Popen(
        words, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
    ) as process:
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_SECONDS)
            if trial.stop.exists():
                end_processes_below(trial.clone)
                raise _StoppedError
    if process.returncode:
        raise _FailedError


def _explain(log: Path) -> str:
    """What the stage said that failed, else DVC's or Git's last words."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    stages = [match[1] for line in lines if (match := FAILED_STAGE.search(line))]
    said = [line for line in lines for stage in stages if line.startswith(f"{stage}: ")]
    errors = [line for line in lines if line.startswith(("ERROR:", "fatal:", "error:"))]
    return (said or errors or lines or ["it said nothing"])[-1]


def _is_of_trial(folder: Path, process: psutil.Process) -> bool:
    """Whether it works in the folder for a trial, and not for somebody who looks around there."""
    try:
        return Path(process.cwd()).is_relative_to(folder) and INSIDE in process.environ()
    except (psutil.Error, OSError):
        return False
