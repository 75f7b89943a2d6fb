"""Every benchmark says how it is used, whatever it needs to run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT

SCRIPTS = [
    path for path in sorted((ROOT / "benchmarks").glob("*.py")) if "__main__" in path.read_text()
]


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_answers_help(script: Path, tmp_path: Path) -> None:
    """A per cent sign in a docstring crashed one, the missing arguments another."""
    run = subprocess.run(
        [sys.executable, script, "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert f"benchmarks/{script.name}" in run.stdout or "usage: " in run.stdout
