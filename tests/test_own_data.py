"""The transcript of docs/own-data.md, made from drawn captchas: all of its commands run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from captcha_tagger.drawing.sample import write_samples
from captcha_tagger.reproduce.verify import environment
from tests.browser import find_chromium
from tests.repository import ROOT
from tests.whole import commit_working_tree

PARAMS = {
    "ingest": {"labels": "labels.csv", "corrections": "corrections.csv"},
    "backbone": {
        "source": "shipped",
        "file": "src/captcha_tagger/backbone/weights/weights.safetensors",
    },
    "train_head": {"epochs": 1},
    "fine_tune": {"epochs": 1},
    "evaluate": {"resamples": 100},
}
IMAGES, WRONG, TYPED = 60, 3, 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """As it is being edited, with tables that are empty, and short trainings."""
    root = commit_working_tree(tmp_path / "repository")
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    for section, values in PARAMS.items():
        params[section].update(values)
    yaml.dump(params, root / "params.yaml")
    (root / "labels.csv").write_text("file,text\n")
    (root / "corrections.csv").write_text("file,text,why\n")
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", *who, "commit", "-qam", "Short"], cwd=root, check=True)
    return root


def test_each_command_of_the_transcript_works(repository: Path, tmp_path: Path) -> None:
    write_samples(tmp_path / "drawn", IMAGES, "2345678bcdefgmnpwxy", 5, seed=0)
    words = [tmp_path / "drawn", "--out", "out.md", "--wrong", str(WRONG), "--typed", str(TYPED)]
    run = subprocess.run(
        [sys.executable, "benchmarks/own_data.py", *words],
        cwd=repository,
        env=environment() | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    page = (repository / "out.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in page
    assert not re.search(r"127\.0\.0\.1:\d", page)
    assert f"{WRONG} of {WRONG} wrong names corrected" in page
    assert page.count("dvc queue start -j 2") == 3
    found = re.search(r"(\d+) times Enter, (\d+) texts typed; then (\d+) of the other (\d+)", page)
    assert found is not None
    enter, typed, right, rest = map(int, found.groups())
    assert enter + typed == TYPED
    assert rest == IMAGES - TYPED
    assert right > rest / 2
