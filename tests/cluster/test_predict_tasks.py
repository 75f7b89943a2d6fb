"""Answers by the tasks of a cluster: those of one machine, whatever is lost meanwhile."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from captcha_tagger.base.work.session import Session
from captcha_tagger.commands import predict
from captcha_tagger.commands.predict import tag
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.network.params import Read
from captcha_tagger.predict import files as answering
from captcha_tagger.predict.predictor import BATCH
from captcha_tagger.source.decoding import CRASH
from tests.cluster.rays import NEEDS_RAY
from tests.cluster.tasks import answer_once_killed, answer_poison
from tests.conftest import make_tagger

pytestmark = NEEDS_RAY


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images, one of them none, and a model, in the folder that one works in."""
    monkeypatch.chdir(tmp_path)
    save_model(make_tagger(), tmp_path / "model")
    return fill(tmp_path / "images")


def fill(folder: Path, num_batches: int = 5) -> Path:
    folder.mkdir()
    num_files = num_batches * BATCH + 3
    noise = np.random.default_rng(0).integers(0, 255, (num_files, 24, 48), np.uint8)
    for number, image in enumerate(noise):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    (folder / "035.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def here(images: Path) -> Path:
    """What one machine answers."""
    return ask(images, "here.parquet")


@pytest.fixture
def cluster(here: Path, session: Session, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster in params.yaml, which is the session of these tests; it takes even a few files."""

    @contextmanager
    def lend(_: str) -> Iterator[Session]:
        yield session

    use_cluster("local", monkeypatch)
    monkeypatch.setattr(answering, "open_session", lend)
    monkeypatch.setattr(session, "_home", session._home._replace(folder=str(images.parent)))


def use_cluster(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("params.yaml").write_text(f"compute: {{cluster: '{address}'}}\n")
    monkeypatch.setattr(predict, "FILES_HERE", 0)
    monkeypatch.setattr(answering, "TASK_BATCHES", 2)


def ask(images: Path, name: str, **keys: Any) -> Path:
    out = images.parent / name
    assert tag(["images"], "model", as_json=False, out=out, **keys) == 1  # for the one that is none
    return out


@pytest.mark.usefixtures("cluster")
def test_tasks_give_the_bytes_of_one_machine(here: Path, images: Path) -> None:
    assert ask(images, "there.parquet").read_bytes() == here.read_bytes()


@pytest.mark.usefixtures("cluster")
def test_tasks_are_handed_the_model(
    here: Path, session: Session, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that MLflow has downloaded lies on the driver's machine alone."""

    def lend(_: str) -> nullcontext[Session]:
        shutil.rmtree("model")
        return nullcontext(session)

    monkeypatch.setattr(answering, "open_session", lend)
    assert ask(images, "there.parquet").read_bytes() == here.read_bytes()


@pytest.mark.usefixtures("cluster")
def test_a_pattern_is_found_by_tasks_as_well(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    how = Read(decoding="beam", pattern="[abcd]{2}")
    there = ask(images, "there.parquet", how=how)
    monkeypatch.setattr(predict, "FILES_HERE", 1000)
    assert there.read_bytes() == ask(images, "patterns.parquet", how=how).read_bytes()


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_is_killed_costs_nothing(
    here: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "answer_batches", answer_once_killed)
    there = ask(images, "there.parquet")
    assert Path("killed").exists()
    assert there.read_bytes() == here.read_bytes()


@pytest.mark.usefixtures("cluster")
def test_printed_answers_are_those_of_one_machine(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tag(["images"], "model", as_json=True) == 1
    said = capsys.readouterr()
    rows = [row for row in pyarrow.parquet.read_table(here).to_pylist() if not row["error"]]
    printed = json.loads(said.out)
    assert [row["file"] for row in printed] == [row["file"] for row in rows]
    assert [row["probs"] for row in printed] == [dict(row["probs"]) for row in rows]
    assert said.err.startswith("images/035.png: no PNG")


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_an_image_that_crashes_its_decoder_is_one_line(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images / "020.png").rename(images / "020-poison.png")
    monkeypatch.setattr(answering, "answer_batches", answer_poison)
    there = pyarrow.parquet.read_table(ask(images, "there.parquet")).to_pylist()
    assert len(there) == len(list(images.iterdir()))
    assert {Path(row["file"]).name: row["error"] for row in there if row["error"]} == {
        "020-poison.png": CRASH,
        "035.png": there[35]["error"],
    }
    (images / "020-poison.png").write_bytes(b"no image")
    monkeypatch.setattr(predict, "FILES_HERE", 1000)
    here = pyarrow.parquet.read_table(ask(images, "here.parquet")).to_pylist()
    assert [row["text"] for row in there] == [row["text"] for row in here]
