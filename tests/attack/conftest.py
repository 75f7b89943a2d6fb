"""A finished run, made once, and a copy of it for each scenario."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.attack.scenario import STAGE_PATHS, Arena
from tests.hostile import fill_folder
from tests.stages.conftest import Workspace

SMALL = {
    "ingest": {
        "source": "images",
        "height": 20,
        "width": 40,
        "labels": "labels.csv",
        "corrections": "corrections.csv",
    }
}
TEXTS = [a + b for a in "abcdef" for b in "123456"]


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository in which every stage has run on 36 images in images/."""
    root = tmp_path_factory.mktemp("attacked")
    workspace = Workspace(root)
    fill_folder(root / "images", TEXTS)
    for table, columns in (("labels.csv", "file,text"), ("corrections.csv", "file,text,why")):
        (root / table).write_text(f"{columns}\n")
    workspace.change(SMALL)
    threads = torch.get_num_threads()
    for stage, paths in STAGE_PATHS.items():
        assert stage == "sample" or workspace.run(stage, *paths) == 0, stage
    shutil.rmtree(root / ".state", ignore_errors=True)
    yield root
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def arena(
    finished_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Arena]:
    root = tmp_path / "repository"
    shutil.copytree(finished_run, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield Arena(root, capsys)
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o755)
