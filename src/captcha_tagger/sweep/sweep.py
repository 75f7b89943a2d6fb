"""A sweep: what its name stands for, what its trials begin with, and where they run.

What is done is remembered in `.state/sweeps/NAME/`, so that the same sweep goes on where it was.
"""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import lock_file, read_json, write_json
from captcha_tagger.base.places import state_folder
from captcha_tagger.base.settings import read_params
from captcha_tagger.base.work.session import open_session
from captcha_tagger.source.store import is_store
from captcha_tagger.sweep.driver import Driver, Runner, run_dvc
from captcha_tagger.sweep.inputs import CODE, check_inputs, find_inputs, identify_inputs, run_on
from captcha_tagger.sweep.plan import Settings
from captcha_tagger.sweep.proposals import Proposals
from captcha_tagger.sweep.trial import Trial, end_processes_below, run_trial
from captcha_tagger.tracking.git import read_git

NAME = re.compile(r"[\w-]+", re.ASCII)
LOCK_SECONDS = 1.0
# What git apply takes, whatever git diff is configured to show.
PLAIN_DIFF = "--binary --no-color --no-ext-diff --no-textconv --src-prefix=a/ --dst-prefix=b/"


def sweep(
    proposals: Proposals,
    values: Iterable[Settings],
    name: str | None,
    jobs: int | None,
    address: str | None,
) -> int:
    """Run what is not done yet, and say a line for each trial; how many have failed.

    Every value that a trial may have stands in one of `values`, so that its data is known.
    """
    root = Path.cwd()
    baseline, patch = _read_baseline(root)
    _check_lock(root / "dvc.lock")
    data = identify_inputs(root, check_inputs(root, find_inputs(root, values)))
    changes = {"changes": hashlib.sha256(patch).hexdigest(), "data": data}
    plan: dict[str, Any] = {"baseline": baseline, **changes, **proposals.plan}
    name = name or f"sweep-{hashlib.sha256(json.dumps(plan).encode()).hexdigest()[:8]}"
    if not NAME.fullmatch(name):
        raise InputError(f"--name {name}: letters, digits, - and _ alone")
    folder = state_folder() / "sweeps" / name
    folder.mkdir(parents=True, exist_ok=True)
    with lock_file(folder / "lock", LOCK_SECONDS):
        _keep_plan(folder / "plan.json", name, plan, root)
        end_processes_below(folder)
        proposals.open(folder)
        numbers = range(1, proposals.total + 1)
        done = sum((folder / f"{number}.json").exists() for number in numbers)
        print(f"{name}: {proposals.total} trials, {done} of them done", flush=True)
        if done == proposals.total:
            return 0
        links = [path for path in data if not (is_store(path) or Path(path).is_absolute())]
        cache = Path(root, run_dvc(root, "cache", "dir").strip())

        def make_trial(number: int, settings: Settings) -> Trial:
            return Trial(
                root=root,
                cache=cache,
                clone=folder / str(number),
                log=folder / f"{number}.log",
                number=number,
                name=f"{name}-{number}",
                settings=settings,
                baseline=baseline,
                links=links,
                patch=patch,
            )

        with _open_runner(address) as (run, machines):
            on_data = run_on(data, partial(identify_inputs, root, list(data)), run)
            return Driver(proposals, name, make_trial).run_all(on_data, jobs or machines)


def _check_lock(path: Path) -> None:
    """InputError where it is damaged, and every trial would fail over it."""
    if path.exists():
        read_params(path)


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
                f"--name {name}: a sweep of this name has other trials, another baseline or other "
                f"data; take another name, or delete {path.parent}"
            )
        return
    refs = (read_git(root, "for-each-ref", "--format=%(refname)", "refs/exps") or "").split()
    names = {ref.rpartition("/")[2] for ref in refs}
    if taken := sorted(one for one in names if re.fullmatch(rf"{name}-\d+", one)):
        raise InputError(
            f"--name {name}: there is an experiment {taken[0]} already; take another name, or run "
            f"dvc exp remove {taken[0]}"
        )
    write_json(path, plan)
