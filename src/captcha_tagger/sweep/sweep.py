"""The driver of a sweep: has trials run, a few at a time, and keeps what they find.

Trials -> DVC experiments under one baseline, and rows of the record, both written here alone. What
is done is remembered in `.state/sweeps/NAME/`, so that the same sweep goes on where it was.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import lock_file, read_json, write_json
from captcha_tagger.base.places import state_folder
from captcha_tagger.cluster.session import open_session
from captcha_tagger.reproduce.verify import DVC, environment
from captcha_tagger.sweep.plan import Settings, describe
from captcha_tagger.sweep.trial import Outcome, Trial, end_processes_below, run_trial
from captcha_tagger.tracking.lineage import read_lineage
from captcha_tagger.tracking.origin import read_git
from captcha_tagger.tracking.recorder import record_clone

TAG = "captcha_tagger.sweep"  # of a row: the sweep's name
NAME = re.compile(r"[\w-]+", re.ASCII)
LOCK_SECONDS = 1.0
# What git apply takes, whatever git diff is configured to show.
PLAIN_DIFF = "--binary --no-color --no-ext-diff --no-textconv --src-prefix=a/ --dst-prefix=b/"
SHOWN_SCORES = ("text_accuracy", "exact_set")
CODE = ("src/", "stages/", "dvc.yaml")

Runner = Callable[[Trial], Outcome]


def sweep(
    trials: Sequence[Settings], name: str | None, jobs: int | None, address: str | None
) -> int:
    """Run what is not done yet of the trials, and say a line for each; how many have failed."""
    root = Path.cwd()
    baseline, patch = _read_baseline(root)
    changes = hashlib.sha256(patch).hexdigest()
    plan: dict[str, Any] = {"baseline": baseline, "changes": changes, "trials": list(trials)}
    name = name or f"sweep-{hashlib.sha256(json.dumps(plan).encode()).hexdigest()[:8]}"
    if not NAME.fullmatch(name):
        raise InputError(f"--name {name}: letters, digits, - and _ alone")
    folder = state_folder() / "sweeps" / name
    folder.mkdir(parents=True, exist_ok=True)
    with lock_file(folder / "lock", LOCK_SECONDS):
        _keep_plan(folder / "plan.json", name, plan, root)
        end_processes_below(folder)
        links, cache = list(_list_links(root)), Path(root, _dvc(root, "cache", "dir").strip())
        waiting = {
            number: Trial(
                root=root,
                cache=cache,
                clone=folder / str(number),
                log=folder / f"{number}.log",
                name=f"{name}-{number}",
                settings=settings,
                baseline=baseline,
                links=links,
                patch=patch,
            )
            for number, settings in enumerate(trials, start=1)
            if not (folder / f"{number}.json").exists()
        }
        done = len(trials) - len(waiting)
        print(f"{name}: {len(trials)} trials, {done} of them done", flush=True)
        if not waiting:
            return 0
        with _open_runner(address) as (run, places):
            return _run_all(waiting, name, len(trials), run, jobs or places)


def _run_all(waiting: dict[int, Trial], name: str, total: int, run: Runner, jobs: int) -> int:
    failed = 0
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = {pool.submit(run, trial): number for number, trial in waiting.items()}
        for future in as_completed(futures):
            number = futures[future]
            trial = waiting[number]
            outcome = _settle(future.result, trial, name)
            failed += bool(outcome.failure)
            head = f"trial {number} of {total}: {describe(trial.settings)}"
            print(f"{head}: {_describe(outcome, trial)}", flush=True)
    except BaseException:  # Ctrl-C above all: no trial shall go on without its driver
        pool.shutdown(wait=False, cancel_futures=True)
        for trial in waiting.values():
            end_processes_below(trial.clone)
        raise
    pool.shutdown()
    return failed


def _settle(result: Callable[[], Outcome], trial: Trial, name: str) -> Outcome:
    """Keep what a trial has found: the experiment, the row, and that it is done.

    Where the driver is killed in between it all comes twice, and the second time changes nothing.
    """
    try:
        outcome = result()
        if outcome.failure:
            return outcome
        # The cache is theirs in common; an experiment of the name is this trial's from before.
        _dvc(trial.clone, "exp", "push", "--no-cache", "--force", "origin", trial.name)
        _record(trial, name)
        found = {**outcome._asdict(), "settings": trial.settings}
        write_json(trial.log.with_suffix(".json"), found)
    except OSError as error:
        return Outcome(0.0, {}, str(error))
    shutil.rmtree(trial.clone, ignore_errors=True)
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
    scores = [f"{key} {outcome.scores[key]:.4f}" for key in SHOWN_SCORES if key in outcome.scores]
    return f"{', '.join(scores)}, {outcome.seconds:.0f} s"


@contextmanager
def _open_runner(address: str | None) -> Iterator[tuple[Runner, int]]:
    """What runs a trial, here or as a task of the cluster, and how many at a time by default."""
    if address is None:
        yield run_trial, 1
        return
    with open_session(address) as session:
        yield (lambda trial: session.call(run_trial, trial)), session.num_machines


def _read_baseline(root: Path) -> tuple[str, bytes]:
    """The commit, and what has changed since; InputError where a clone would lack some of it."""
    if (commit := read_git(root, "rev-parse", "HEAD")) is None:
        raise InputError("a sweep needs a Git repository with a commit; commit first")
    if (read_git(root, "rev-parse", "--show-prefix") or "").strip():
        raise InputError("run from the root of the Git repository")
    if new := read_git(root, "ls-files", "--others", "--exclude-standard", "--", *CODE):
        first = new.split("\n")[0]
        raise InputError(f"{first}: not known to Git, and a trial runs in a clone; git add it")
    words = ["git", "diff", *PLAIN_DIFF.split(), "HEAD"]
    return commit.strip(), subprocess.run(words, cwd=root, capture_output=True, check=True).stdout


def _keep_plan(path: Path, name: str, plan: dict[str, Any], root: Path) -> None:
    """Remember what the name stands for; InputError where it stands for something else."""
    if path.exists():
        if read_json(path) != plan:
            raise InputError(
                f"--name {name}: a sweep of this name has other trials or another baseline; take "
                f"another name, or delete {path.parent}"
            )
        return
    wanted = {f"{name}-{number}" for number in range(1, len(plan["trials"]) + 1)}
    refs = (read_git(root, "for-each-ref", "--format=%(refname)", "refs/exps") or "").split()
    if taken := sorted(wanted & {ref.rpartition("/")[2] for ref in refs}):
        raise InputError(
            f"--name {name}: there is an experiment {taken[0]} already; take another name, or run "
            f"dvc exp remove {taken[0]}"
        )
    write_json(path, plan)


def _list_links(root: Path) -> Iterator[str]:
    """What the stages read beside code and each other's outputs."""
    lineage = read_lineage(root)
    read = {dep for stage in lineage.stages.values() for dep in stage["deps"]}
    for path in sorted(read - lineage.makers.keys()):
        if not Path(path).is_absolute() and not path.startswith(CODE) and (root / path).exists():
            yield path


def _dvc(folder: Path, *words: str) -> str:
    """What a command of DVC prints; OSError with its last line where it fails."""
    done = subprocess.run(
        [*DVC, *words], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [""]
        raise OSError(f"dvc {' '.join(words[:2])}: {said[-1]}")
    return done.stdout
