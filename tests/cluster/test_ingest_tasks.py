"""Ingest by the tasks of a cluster: the bytes of the local one, whatever is lost meanwhile."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captcha_tagger.base.files import hash_path, read_table
from captcha_tagger.ingest import ingest as intake
from captcha_tagger.source.limits import FULL
from tests.cluster.rays import NEEDS_RAY
from tests.cluster.tasks import judge_once_killed, judge_poison
from tests.hostile import TEXTS, fill_folder, pack, png
from tests.repository import ROOT
from tests.stages.test_ingest import PARAMS, run_stage

pytestmark = [NEEDS_RAY, pytest.mark.usefixtures("many_tasks")]
NAMES = [f"{text}_{number}" for text in TEXTS for number in range(30)]


def ingest(source: Path, out: str, cluster: str | None, **keys: Any) -> Path:
    folder = source.parent / out
    folder.mkdir()
    intake.ingest(source, PARAMS.model_copy(update={"max_rejected": 0.5, **keys}), folder, cluster)
    return folder


def assert_equal(one: Path, other: Path) -> None:
    files = {path.name: path.read_bytes() for path in one.iterdir()}
    assert files == {path.name: path.read_bytes() for path in other.iterdir()}
    assert "pixels.npy" in files


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Images; twins, also under another text; what is no image, and what is no name of one."""
    source = fill_folder(tmp_path / "in", NAMES)
    for name, content in {
        "bad.png": b"bad", "twin_1.png": png(3), "ab1_x1.png": png(0), "zz/ab1_0.png": png(0),
        "notes.txt": b"", ".DS_Store": b"",
    }.items():  # fmt: skip
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(content)
    return source


def test_tasks_give_the_bytes_of_the_local_ingest(hostile: Path) -> None:
    assert_equal(ingest(hostile, "here", None), ingest(hostile, "there", "local"))


def test_a_zip_gives_the_bytes_of_the_local_ingest(hostile: Path) -> None:
    files = sorted(path for path in hostile.rglob("*") if path.is_file())
    entries = {str(path.relative_to(hostile)): path.read_bytes() for path in files}
    archive = pack(hostile.parent / "in.zip", entries)
    assert_equal(ingest(archive, "here", None), ingest(archive, "there", "local"))


def test_the_limit_on_all_bytes_falls_on_the_same_file(hostile: Path) -> None:
    sizes = [path.stat().st_size for path in sorted(hostile.glob("*.png"))]
    limit = sum(sizes[:100]) + 1
    here = ingest(hostile, "here", None, max_total_bytes=limit, max_rejected=1)
    there = ingest(hostile, "there", "local", max_total_bytes=limit, max_rejected=1)
    assert_equal(here, there)
    assert FULL in {row["reason"] for row in read_table(here / "rejects.csv")}


def test_a_worker_that_is_killed_costs_nothing(
    hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ingest(hostile, "here", None)
    monkeypatch.setattr(intake, "judge_batch", judge_once_killed)
    there = ingest(hostile, "there", "local")
    assert (hostile.parent / "killed").exists()
    assert_equal(here, there)


@pytest.mark.slow
def test_an_image_that_crashes_its_decoder_is_one_reject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fill_folder(tmp_path / "in", [*NAMES, "poison"])
    monkeypatch.setattr(intake, "judge_batch", judge_poison)
    monkeypatch.setattr(intake, "count_cores", lambda: 2)
    here, there = ingest(source, "here", None), ingest(source, "there", "local")
    assert_equal(here, there)
    assert [tuple(row.values()) for row in read_table(there / "rejects.csv")] == [
        ("poison.png", "damaged image: it crashes its decoder")
    ]


def test_a_task_that_outlives_the_ingest_leaves_nothing(hostile: Path) -> None:
    """A machine that was taken for dead may go on, when the parts have been joined and are gone."""
    gone = hostile.parent / "parts"
    batch = [intake.Asked(intake.Listed(0, "bad.png"), intake.Known(None))]
    judged = intake.Judged(np.zeros((0, 1, 20, 40), np.uint8), [], [])
    with pytest.raises(FileNotFoundError):
        intake.write_part(batch, lambda _: judged, gone)
    assert not gone.exists()


@pytest.mark.slow
def test_the_stage_gives_the_hash_of_the_local_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage starts a Ray of its own, from the params."""
    names = [f"{text}_{number}" for text in TEXTS for number in range(600)]
    found = {}
    for cluster in (None, "local"):
        folder = tmp_path / str(cluster)
        fill_folder(folder / "images", names)
        done = run_stage(folder, "images", compute={"cluster": cluster}, **ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        found[cluster] = hash_path(folder, "data/ingest")
    assert found[None] == found["local"]


ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path]),
}
