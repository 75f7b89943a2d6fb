"""Training steps beside one busy process: how much longer, by how long waiting threads spin.

    python benchmarks/busy.py [--architecture compact] [--batch-size 32] [--steps 40] [--runs 3]

torch's threads wait for each other at every layer, and spin GOMP_SPINCOUNT times before they sleep.
Each row is a way to wait, in fresh processes that take turns, each once on the machine as it is and
once beside a process that computes without end: milliseconds a step, the median of all steps with
the middle 90 % in brackets. Where the machine has other work, `quiet` is not quiet: the load
average is said.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import captcha_tagger  # noqa: F401 - sets GOMP_SPINCOUNT where nobody has

# isort: split
import numpy as np
from machine import describe_machine
from tabulate import tabulate

from captcha_tagger.base.work.processes import count_cores
from captcha_tagger.params import load_params

WARM_UP = 5  # steps


SPINS = "GOMP_SPINCOUNT"
# Ends with its parent, even one that was killed.
COMPUTE = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"


@dataclass(frozen=True)
class Way:
    """How many threads, how often a waiting one looks again before it sleeps, and in how many parts
    a batch is computed."""

    title: str
    threads: int
    spins: str
    shards: int = 1


WAYS = (
    Way("libgomp's own patience", count_cores(), "300000"),
    Way("the package's", count_cores(), os.environ[SPINS]),
    Way("none", count_cores(), "0"),
    Way("one thread", 1, os.environ[SPINS]),
    Way("a thread for each half of the batch", count_cores(), os.environ[SPINS], shards=2),
)


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("--architecture", default="compact")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=int, nargs=2, metavar="N", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        print(json.dumps(time_steps(args.architecture, args.batch_size, args.steps, *args.work)))
        return
    print(describe_machine(), flush=True)
    quiet: dict[Way, list[float]] = {way: [] for way in WAYS}
    busy: dict[Way, list[float]] = {way: [] for way in WAYS}
    for _ in range(args.runs):
        for way in WAYS:
            quiet[way] += run(way, args)
            with compute_beside():
                busy[way] += run(way, args)
    rows = [
        [way.title, way.threads, way.shards, way.spins, *compare(quiet[way], busy[way])]
        for way in WAYS
    ]
    columns = ["patience", "threads", "shards", SPINS, "ms quiet", "ms busy", "times as long"]
    print(f"\n{tabulate(rows, columns, 'github', disable_numparse=True)}")


def run(way: Way, args: argparse.Namespace) -> list[float]:
    """Milliseconds of each step in a fresh process."""
    options = {"architecture": args.architecture, "batch-size": args.batch_size}
    options |= {"steps": args.steps}
    words = [f"--{name}={value}" for name, value in options.items()]
    words += ["--work", str(way.threads), str(way.shards)]
    said = subprocess.run(
        [sys.executable, __file__, *words],
        env={**os.environ, SPINS: way.spins, "OMP_NUM_THREADS": str(way.threads)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(said.stdout)


def time_steps(
    architecture: str, batch_size: int, steps: int, threads: int, shards: int
) -> list[float]:
    """Milliseconds of each step on the CPU, in the precision that params.yaml says."""
    from steps import make_model, make_step  # torch, which only a worker needs

    from captcha_tagger.engine.compute import set_up

    changes = {"device": "cpu", "threads": threads}
    machine = set_up(load_params().compute.model_copy(update=changes))
    step = make_step(make_model(architecture, "ctc", machine), batch_size, machine, shards)
    taken = []
    for _ in range(WARM_UP + steps):
        started = time.perf_counter()
        step()
        taken.append(1e3 * (time.perf_counter() - started))
    return taken[WARM_UP:]


@contextmanager
def compute_beside() -> Iterator[None]:
    """A process that computes without end, and ends with the block."""
    with subprocess.Popen([sys.executable, "-c", COMPUTE]) as process:
        try:
            yield
        finally:
            process.kill()


def compare(quiet: list[float], busy: list[float]) -> list[str]:
    return [spread(quiet), spread(busy), f"{np.median(busy) / np.median(quiet):.2f}"]


def spread(taken: list[float]) -> str:
    low, middle, high = np.quantile(taken, [0.05, 0.5, 0.95])
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


if __name__ == "__main__":
    main()
