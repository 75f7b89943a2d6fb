import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repository import ROOT


def plan(root: Path, target: str) -> str:
    """What make would run, were it to run anything."""
    run = subprocess.run(
        ["make", "--dry-run", target], cwd=root, capture_output=True, text=True, check=True
    )
    return run.stdout


@pytest.mark.parametrize(("place", "is_made"), [("here", False), ("elsewhere", True)])
def test_an_environment_that_was_moved_is_made_anew(
    tmp_path: Path, place: str, is_made: bool
) -> None:
    """Its scripts named a Python that was no more there, and make took it for ready."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
        os.utime(tmp_path / name, (0, 0))
    ready = tmp_path / ".venv" / ".ready"
    ready.parent.mkdir()
    ready.write_text(f"{tmp_path if place == 'here' else '/somewhere/else'}\n")
    assert ("venv --clear" in plan(tmp_path, "setup")) is is_made
