"""SIGKILL at random moments: does `dvc repro` go on and end with the undisturbed run's hashes?

DVC and the stage under it are killed together while a chosen stage runs or is being committed, at a
uniformly drawn share of the time that the stage took undisturbed; then `dvc repro` is started again
and killed again, in the same stage or a later one, and so on to the last, after which it is left to
finish. That is one pass, in which all stages take equal turns; passes follow until there were as
many kills as wanted. After each, MLflow has one row, and it is finished.

python benchmarks/kills.py [--kills 20] [--per-pass 20] [--seed 0]
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from captcha_tagger.reproduce.recover import recover
from captcha_tagger.reproduce.verify import (
    DVC,
    compare,
    count_hashes,
    environment,
    make_clone,
    reproduce,
)

RUNNING = "Running stage '"
RECORDED = {"CAPTCHA_TAGGER_RECORD": "on"}
SETTLE_SECONDS = 600.0
TINY: dict[str, dict[str, Any]] = {
    "sample": {"images": 60},
    "backbone": {"source": "synthetic", "images": 320, "batch_size": 16},
    "train_head": {"epochs": 2, "batch_size": 16},
    "fine_tune": {"epochs": 3, "batch_size": 16},
    "evaluate": {"resamples": 100},
    "compute": {"device": "cpu", "threads": 1, "save_every_seconds": 0},  # a save every step
}


@dataclass
class Tally:
    """What the kills hit, and what it took to go on."""

    stages: Counter[str] = field(default_factory=Counter)
    late: int = 0  # moments at which the last stage had ended already
    in_dvc: int = 0  # no stage process: DVC was hashing, committing or starting
    resumable: int = 0  # a resume file was there
    recovered: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.stages += other.stages
        self.late += other.late
        self.in_dvc += other.in_dvc
        self.resumable += other.resumable
        self.recovered += other.recovered
        self.differences += other.differences


def shrink(root: Path, sections: dict[str, dict[str, Any]] | None = None) -> Path:
    """Give a clone params that run through all stages in a minute."""
    yaml, path = YAML(), root / "params.yaml"
    params = yaml.load(path)
    for section, values in (sections or TINY).items():
        params[section].update(values)
    yaml.dump(params, path)
    return root


def start(root: Path, surroundings: dict[str, str]) -> "subprocess.Popen[str]":
    """Start `dvc repro` as the leader of its own process group."""
    return subprocess.Popen(
        [*DVC, "repro"],
        cwd=root,
        env=environment() | surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def time_stages(root: Path) -> dict[str, float]:
    """Run undisturbed; the seconds of each stage from its start to that of the next."""
    starts: dict[str, float] = {}
    with start(root, {}) as process:
        for stage in _stages_started(process, echo=[]):
            starts[stage] = time.monotonic()
    if process.returncode:
        raise SystemExit(f"the undisturbed run failed with exit code {process.returncode}")
    ends = [*list(starts.values())[1:], time.monotonic()]
    return {stage: end - begun for (stage, begun), end in zip(starts.items(), ends, strict=True)}


def kill(
    root: Path,
    stage: str,
    share: float,
    seconds: dict[str, float],
    tally: Tally,
    surroundings: dict[str, str],
) -> None:
    """Kill `dvc repro` in the stage, or in the first after it that runs, if any is left."""
    names = list(seconds)
    echo: list[str] = []
    with start(root, surroundings) as process:
        for started in _stages_started(process, echo):
            if names.index(started) >= names.index(stage):
                with suppress(subprocess.TimeoutExpired):
                    process.wait(share * seconds[started])
                    break
                hit = _find_stage(process.pid)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                tally.stages[hit or started] += 1
                tally.in_dvc += hit is None
                tally.resumable += any((root / ".state" / "resume").glob(f"{hit}-*.pt"))
                return
    if process.returncode:
        raise SystemExit("".join(echo) + f"dvc repro failed with exit code {process.returncode}")
    tally.late += 1


def run_with_kills(
    original: Path,
    root: Path,
    moments: list[tuple[str, float]],
    seconds: dict[str, float],
    surroundings: dict[str, str] | None = None,
) -> Tally:
    """One pass through the pipeline, killed at each moment; compared with the original."""
    tally = Tally()
    for stage, share in moments:
        kill(root, stage, share, seconds, tally, surroundings or {})
        tally.recovered += recover(root)
    reproduce(root, surroundings=surroundings)
    if difference := compare(original, root):
        tally.differences.append(difference)
    tally.differences += [f"left over: {path}" for path in leftovers(root)]
    return tally


def leftovers(root: Path) -> list[Path]:
    """Half-written files and resume files that outlived a finished run."""
    folders = (root / "data", root / ".state")
    return sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.name.endswith(".partial") or path.parent.name == "resume"
    )


def list_rows(root: Path) -> list[str]:
    """How each experiment of the repository ended, as its MLflow store has it."""
    from mlflow import MlflowClient  # three seconds that the tests need not wait

    end = time.monotonic() + SETTLE_SECONDS
    while any((root / ".state" / "outbox").glob("*")) and time.monotonic() < end:
        time.sleep(0.5)  # a recorder is at work
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("captcha-tagger")
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return [run.info.status for run in runs if "mlflow.parentRunId" not in run.data.tags]


def draw_moments(stages: list[str], kills: int, seed: int) -> list[tuple[str, float]]:
    """A pass of (stage, share of its time) in the stages' order; all stages take equal turns."""
    generator = random.Random(seed)
    first = generator.randrange(len(stages))
    moments = [((first + i) % len(stages), generator.random()) for i in range(kills)]
    return [(stages[stage], share) for stage, share in sorted(moments)]


def _stages_started(process: "subprocess.Popen[str]", echo: list[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        echo.append(line)
        if line.startswith(RUNNING):
            yield line.removeprefix(RUNNING).split("'")[0]


def _find_stage(pid: int) -> str | None:
    """The stage whose script runs under a process: it may be a later one than was waited for."""
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            for word in child.cmdline():
                if word.startswith("stages/"):
                    return Path(word).stem
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--per-pass", type=int, default=20, help="kills before one may finish")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="kills-"))
    original = shrink(make_clone(Path.cwd(), folder / "undisturbed"))
    seconds = time_stages(original)
    print(
        f"seed {arguments.seed}; undisturbed: {sum(seconds.values()):.0f} s, "
        f"{count_hashes(original)} hashes of {len(seconds)} stages",
        flush=True,
    )
    total, number = Tally(), 0
    while (left := arguments.kills - total.stages.total()) > 0:
        kills = min(left, arguments.per_pass)
        moments = draw_moments(list(seconds), kills, arguments.seed + number)
        clone = shrink(make_clone(original, folder / f"pass{number}"))
        tally = run_with_kills(original, clone, moments, seconds, RECORDED)
        if (rows := list_rows(clone)) != ["FINISHED"]:
            tally.differences.append(f"MLflow's rows: {rows}")
        print(
            f"pass {number + 1}: {tally.stages.total()} kills, "
            f"{tally.differences or 'equal hashes, one finished row'} {tally.recovered or ''}",
            flush=True,
        )
        shutil.rmtree(clone, ignore_errors=True)  # a recorder may still be writing there
        total.add(tally)
        number += 1
    print("\n| stage | seconds undisturbed | kills |\n|---|---|---|")
    for stage, duration in seconds.items():
        print(f"| {stage} | {duration:.1f} | {total.stages[stage]} |")
    print(
        f"\n{total.stages.total()} kills: {total.in_dvc} in DVC's own work, {total.resumable} with "
        f"a resume file there; DVC's bookkeeping cut off {len(total.recovered)} times; "
        f"{len(total.differences)} differences; {time.monotonic() - began:.0f} s in all"
    )
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(bool(total.differences))


if __name__ == "__main__":
    main()
