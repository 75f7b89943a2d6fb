"""What it costs to do nothing: `make repro` after `make repro`, and the start of each stage.

    python benchmarks/startup.py [--runs 7]

Run it in the repository after a `make repro`. The commands take turns; a start is the import
of the stage's script.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tabulate import tabulate

COMMANDS = {"dvc status": ["dvc", "status"], "make repro": ["make", "repro"]}
ENVIRONMENT = {**os.environ, "PYTHONPATH": "stages:src", "DVC_NO_ANALYTICS": "1"}
STAGES = sorted(path.stem for path in Path("stages").glob("*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    commands = dict(COMMANDS)
    for stage in STAGES:
        commands[f"start of {stage}"] = [
            sys.executable,
            "-c",
            f"import {stage}; {stage}.stage.run(lambda: None)",
        ]
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(args.runs):
        for name, words in commands.items():
            seconds[name].append(measure(words))
    rows = [[name, statistics.median(s), min(s), max(s)] for name, s in seconds.items()]
    print(tabulate(rows, ["what", "median s", "min", "max"], "github", floatfmt=".2f"))
    status, repro = (statistics.median(seconds[name]) for name in COMMANDS)
    print(f"\nmake repro / dvc status: {repro / status:.2f}, n = {args.runs}")


def measure(words: list[str]) -> float:
    """Seconds that the command takes."""
    started = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True, env=ENVIRONMENT)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
