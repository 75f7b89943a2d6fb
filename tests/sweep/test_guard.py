"""What is started in a block that is guarded ends with it; test_trial.py kills who started it."""

import os
import subprocess
from pathlib import Path

from captcha_tagger.sweep.guard import guarding


def start(variables: dict[str, str]) -> "subprocess.Popen[bytes]":
    """A shell that waits for what it has started itself."""
    return subprocess.Popen(["sh", "-c", "sleep 600 & wait"], env={**os.environ, **variables})


def test_nothing_outlives_the_block(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log, guarding(log) as variables:
        process = start(variables)
        assert process.poll() is None
    assert process.wait(timeout=10) == -9
