import json
import subprocess
import sys

import pytest

from captcha_tagger.base.files import read_table, write_json
from captcha_tagger.data.labels import make_vocabulary
from captcha_tagger.data.manifest import Row, write_manifest
from tests.repository import PARAMS_FILE, ROOT


@pytest.fixture
def workspace(tmp_path):
    texts = [a + b for a in "abcd" for b in "bcdef"]
    rows = [Row(f"{text}.png", text, f"{n:x}", 9, 9) for n, text in enumerate(texts)]
    (tmp_path / "ingest").mkdir()
    write_manifest(tmp_path / "ingest" / "manifest.jsonl", rows)
    write_json(tmp_path / "ingest" / "vocabulary.json", make_vocabulary(texts))
    (tmp_path / "params.yaml").write_text(PARAMS_FILE.read_text())
    return tmp_path


def run_split(folder, *flags, **keys):
    path = folder / "params.yaml"
    text = path.read_text()
    for key, value in keys.items():
        text = text.replace(f"\n  {key}: null", f"\n  {key}: {value}")
    path.write_text(text)
    return subprocess.run(
        [sys.executable, *flags, ROOT / "stages" / "split.py", "ingest", "split"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_parts_are_sorted_rows_and_their_labels_are_counted(workspace):
    assert run_split(workspace).returncode == 0
    parts = json.loads((workspace / "split" / "parts.json").read_text())
    assert len(parts["validation"]) == 4
    assert sorted(parts["train"] + parts["validation"]) == list(range(20))
    assert parts["train"] == sorted(parts["train"])
    assert read_table(workspace / "split" / "parts.csv")[0]["train"] == "16"


def test_more_folds_than_images_are_one_clear_line(workspace):
    done = run_split(workspace, folds=21)
    assert done.returncode == 2
    assert done.stderr.startswith("split: ")
    assert done.stderr.count("\n") == 1
    assert not (workspace / "split").exists()


def test_the_heavy_libraries_stay_unloaded(workspace):
    imports = run_split(workspace, "-X", "importtime").stderr
    assert "captcha_tagger.split.splitting" in imports
    heavy = ("torch", "mlflow", "matplotlib", "scipy", "sklearn", "PIL")
    assert not any(f" {name}\n" in imports for name in heavy)
