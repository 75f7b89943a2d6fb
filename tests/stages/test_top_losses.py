import subprocess
import sys

import pytest

from captcha_tagger.base.files import read_table
from tests.repository import PARAMS_FILE, ROOT
from tests.runs import run_folders, write_run

OUTPUTS = [
    "curves.png",
    "data.png",
    "doubtful_names.csv",
    "labels.png",
    "model_card.md",
    "report.html",
    "top_losses.csv",
    "top_losses.png",
]


@pytest.fixture
def workspace(tmp_path):
    write_run(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS_FILE.read_text())
    return tmp_path


def run_top_losses(folder, out="data/top_losses"):
    paths = [path.relative_to(folder) for path in run_folders(folder / "data")]
    return subprocess.run(
        [sys.executable, ROOT / "stages" / "top_losses.py", *paths, out],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_runs_write_the_same_bytes(workspace):
    for out in ("data/one", "data/two"):
        run = run_top_losses(workspace, out)
        assert run.returncode == 0, run.stderr
    one, two = workspace / "data" / "one", workspace / "data" / "two"
    assert sorted(path.name for path in one.iterdir()) == OUTPUTS
    for name in OUTPUTS:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_the_table_starts_with_the_highest_loss(workspace):
    run_top_losses(workspace)
    table = read_table(workspace / "data" / "top_losses" / "top_losses.csv")
    losses = [float(row["loss"]) for row in table]
    assert len(table) == 30
    assert losses == sorted(losses, reverse=True)


def test_a_missing_input_is_one_clear_line(workspace):
    (workspace / "data" / "evaluate" / "probs.npy").unlink()
    run = run_top_losses(workspace)
    assert run.returncode == 2
    assert run.stderr == (
        "top_losses: data/evaluate/probs.npy: no such file; run dvc repro first\n"
    )
    assert not (workspace / "data" / "top_losses").exists()
