import subprocess
import sys
from pathlib import Path

import pytest

from captcha_tagger.reproduce.verify import DVC, environment
from tests.conftest import Finished
from tests.whole import FORCED, copy_repository, run_dvc


@pytest.mark.slow
def test_while_a_stage_trains_dvc_names_who_holds_the_lock_and_predict_works(
    finished: Finished, tmp_path: Path
) -> None:
    root = copy_repository(finished.root, tmp_path / "root")
    with subprocess.Popen(
        [*DVC, *FORCED, "train_head"],
        cwd=root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as training:
        assert training.stdout is not None
        for line in training.stdout:
            if line.startswith("Running stage 'train_head'"):
                break
        second = run_dvc(root, "repro")
        image = min((root / "data/sample/samples").iterdir())
        tagged = subprocess.run(
            [sys.executable, "-m", "captcha_tagger.commands.cli", "predict", image],
            cwd=root,
            env=environment() | {"PYTHONPATH": "src"},
            capture_output=True,
            text=True,
            check=False,
        )
        training.communicate()
    assert training.returncode == 0
    assert second.returncode != 0
    assert "is busy, it is being blocked by:" in second.stdout
    assert f"(PID {training.pid})" in second.stdout
    assert tagged.returncode == 0, tagged.stderr
    assert image.name in tagged.stdout
