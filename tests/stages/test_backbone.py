from pathlib import Path

import pytest

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
