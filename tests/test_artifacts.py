"""The model as a product: what another repository gets by its name, and the card beside it."""

import json
import re
from pathlib import Path

import pytest

from tests.project import make_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_the_model_is_got_by_name_and_loaded_as_its_card_says(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    project.dvc("repro", CAPTCHA_TAGGER_RECORD="off")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "a run")
    project.run("git", "tag", "-a", "captcha-tagger@v1.0.0", "-m", "first")
    project.dvc("artifacts", "get", str(project.root), "captcha-tagger", "-o", "got")
    got, made = project.root / "got", project.root / "data" / "fine_tune" / "model"
    names = {path.name for path in made.iterdir()}
    assert {path.name: path.read_bytes() for path in got.iterdir()} == {
        name: (made / name).read_bytes() for name in names
    }

    card = (project.root / "data" / "top_losses" / "model_card.md").read_text(encoding="utf-8")
    block = re.search("```python\n(.*?)```", card, re.DOTALL)
    assert block is not None
    image = next((project.root / "images").iterdir())
    code = block[1].replace("data/fine_tune/model", "got")
    shown = project.run("python", "-c", code.replace("captcha.png", str(image)))
    assert "Prediction(labels=[" in shown.stdout

    metrics = json.loads(project.dvc("metrics", "show", "--json").stdout)[""]["data"]
    assert list(metrics) == ["data/evaluate/metrics.json"]
    assert len(metrics["data/evaluate/metrics.json"]["data"]) <= 8
