"""Every benchmark says how it is used, whatever it needs to run."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import ROOT

SCRIPTS = [
    path for path in sorted((ROOT / "benchmarks").glob("*.py")) if "__main__" in path.read_text()
]


@pytest.fixture(scope="module")
def forks() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, ROOT / "tests/forks.py"],
        env={"PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_answers_help(
    script: Path, forks: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    """A per cent sign in a docstring crashed one, the missing arguments another."""
    assert forks.stdin is not None
    assert forks.stdout is not None
    print(script, tmp_path, sep="\t", file=forks.stdin, flush=True)
    assert forks.stdout.readline() == "0\n", (tmp_path / "stderr").read_text()
    said = (tmp_path / "stdout").read_text()
    assert f"benchmarks/{script.name}" in said or "usage: " in said
