import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.repository import PARAMS_FILE, ROOT


@pytest.fixture
def workspace(tmp_path):
    params = PARAMS_FILE.read_text()
    (tmp_path / "params.yaml").write_text(params.replace("images: 1000", "images: 12"))
    return tmp_path


def run_sample(folder, *flags):
    return subprocess.run(
        [sys.executable, *flags, ROOT / "stages" / "sample.py", "out"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_files_are_named_after_their_distinct_texts(workspace):
    assert run_sample(workspace).returncode == 0
    files = sorted((workspace / "out").iterdir())
    assert len(files) == 12
    assert {len(file.stem) for file in files} == {5}
    assert set("".join(file.stem for file in files)) <= set("2345678bcdefgmnpwxy")
    assert np.asarray(Image.open(files[0])).shape == (50, 200)


def test_the_heavy_libraries_stay_unloaded(workspace):
    imports = run_sample(workspace, "-X", "importtime").stderr
    assert "captcha_tagger.drawing.sample" in imports
    assert not any(f" {name}\n" in imports for name in ("mlflow", "matplotlib", "scipy"))


def test_an_impossible_wish_is_one_clear_line(workspace):
    params = workspace / "params.yaml"
    params.write_text(params.read_text().replace("2345678bcdefgmnpwxy", "ab_"))
    done = run_sample(workspace)
    assert done.returncode == 2
    assert done.stderr.startswith("sample: sample.characters:")
    assert not (workspace / "out").exists()
