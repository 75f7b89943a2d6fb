"""Wrong names among the training images: found, corrected by the file, recorded with its hash."""

import hashlib
import random
import shutil
from pathlib import Path

import pytest

from captcha_tagger.base.files import read_json
from captcha_tagger.data.manifest import read_manifest
from captcha_tagger.drawing.sample import write_samples
from captcha_tagger.ingest.corrections import read_corrections
from tests.project import Project, make_project, read_store

CHARACTERS = "2345678bcdefgmnpwxy"
PLANTED = 10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.filterwarnings("ignore"),  # MLflow's own
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(
        tmp_path / "project",
        ingest={"height": 50, "width": 200, "corrections": "corrections.csv"},
        backbone={
            "source": "shipped",
            "file": "src/captcha_tagger/backbone/weights/weights.safetensors",
        },
        train_head={"batch_size": 32},
        fine_tune={"batch_size": 32},
    )
    shutil.rmtree(project.root / "images")
    write_samples(project.root / "images", 200, CHARACTERS, 5, seed=0)
    return project


def plant(folder: Path) -> dict[str, str]:
    """Give some files names that say another text; the right texts by these."""
    generator = random.Random(0)
    right = {}
    for path in generator.sample(sorted(folder.iterdir()), PLANTED):
        text, place = path.stem, generator.randrange(5)
        absent = sorted(set(CHARACTERS) - set(text))
        wrong = path.with_stem(text[:place] + generator.choice(absent) + text[place + 1 :])
        right[path.rename(wrong).name] = text
    return right


def list_training_files(project: Project) -> set[str]:
    rows = read_manifest(project.root / "data/ingest/manifest.jsonl")
    train = read_json(project.root / "data/split/parts.json")["train"]
    return {rows[row].file for row in train}


def test_planted_names_are_found_corrected_and_recorded(project: Project) -> None:
    right = plant(project.root / "images")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "images with wrong names")
    project.dvc("repro")
    in_training = right.keys() & list_training_files(project)
    assert len(in_training) >= PLANTED // 2

    said = project.tagger("doubtful", "--folds", "3").stdout
    table = project.root / "corrections.csv"
    found = read_corrections(table, "keep")
    assert f"{len(found)} proposed in corrections.csv" in said
    assert len(found) <= 20
    assert {file: found[file].text for file in right} == right

    for file in found.keys() - right.keys():  # reviewed: the names of these are right
        rows = table.read_text().splitlines(keepends=True)
        table.write_text("".join(row for row in rows if not row.startswith(file)))
    project.dvc("exp", "run", "-n", "corrected")
    wrong, corrected = read_store(f"sqlite:///{project.root / 'mlflow.db'}")
    assert "corrections" not in wrong.tags
    assert corrected.tags["dvc.exp_name"] == "corrected"
    assert corrected.tags["corrections"] == str(PLANTED)
    digest = hashlib.md5(table.read_bytes()).hexdigest()
    assert corrected.tags["corrections_md5"] == digest
    assert digest in (project.root / "dvc.lock").read_text()
    assert corrected.metrics["text_accuracy"] > wrong.metrics["text_accuracy"]
