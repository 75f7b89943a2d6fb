"""The tests use params of their own, so that they pass whatever params.yaml says.

Only tests that are marked open that file; conftest.py makes sure of it.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from captcha_tagger.params import load_params
from tests.whole import commit_working_tree


def change_by_hand(path: Path) -> None:
    """Other values, no comments, other quotes, the sections in another order."""
    params = YAML(typ="safe").load(path)
    params["sample"].update(images=7, characters="1234", length=3)
    params["ingest"].update(height=40, width=90, color="rgb", case="lower", max_image_pixels=10_000)
    params["split"].update(folds=3, fold=2)
    params["compute"].update(threads=1, precision="float32")
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.dump(dict(reversed(params.items())), path)


def change_by_dvc(path: Path) -> None:
    """As `dvc exp run -S` does: columns of comments are lost, 1e-5 becomes 1e-05."""
    changes = ["train_head.epochs=3", "fine_tune.learning_rates=[1e-5,1e-3]", "split.folds=4",
               "sample.images=12", "backbone.source=random"]  # fmt: skip
    apply_overrides(path, changes)


@pytest.mark.slow
def test_the_tests_pass_under_anybodys_params(tmp_path: Path) -> None:
    root = commit_working_tree(tmp_path / "copy")
    for change in (change_by_hand, change_by_dvc):
        before = load_params(root / "params.yaml")
        change(root / "params.yaml")
        assert load_params(root / "params.yaml") != before
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "own_params"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
