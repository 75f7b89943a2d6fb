import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT
from tests.stages.conftest import Workspace


def test_an_unknown_architecture_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path)
    workspace.change({"backbone": {"architecture": "resnet19"}})
    assert workspace.run("backbone", "backbone") == 2
    error = capsys.readouterr().err
    assert "resnet18" in error
    assert error.count("\n") == 1
    assert not (workspace.data / "backbone").exists()


def test_a_missing_weights_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path)
    workspace.change({"backbone": {"source": "file", "file": "mine.safetensors"}})
    assert workspace.run("backbone", "backbone") == 2
    assert "no such file: mine.safetensors" in capsys.readouterr().err


def test_the_shipped_backbone_is_copied_without_torch(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.change({"backbone": {"source": "shipped"}})
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "stages" / "backbone.py", "data/backbone"],
        cwd=tmp_path,
        env={**os.environ, "DVC_ROOT": str(tmp_path), "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "captcha_tagger.backbone.shipped" in done.stderr
    assert " torch\n" not in done.stderr
    assert (workspace.data / "backbone" / "weights.safetensors").stat().st_size > 1_000_000
