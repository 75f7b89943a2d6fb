"""One experiment read from what was kept of it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from captcha_tagger.base.errors import InputError
from captcha_tagger.compare.side import LOCK, flatten, read_side
from tests.compare.sides import read_run, write_lock
from tests.repository import ROOT
from tests.runs import load_run, write_run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


def test_a_side_says_what_the_results_say(data: Path) -> None:
    side, results = read_run("a", data), load_run(data)
    assert [answer.is_right("sets") for answer in side.answers] == (~results.wrong).tolist()
    assert [answer.missed for answer in side.answers] == list(map(results.spell, results.missed))
    assert [answer.invented for answer in side.answers] == [
        results.spell(row) for row in results.invented
    ]
    assert not side.reads
    assert list(side.f1) == results.vocabulary
    assert side.epochs == results.epochs
    assert side.images is not None
    for place, answer in enumerate(side.answers):
        row = results.row_at(place)
        assert (answer.file, answer.text, answer.pixels) == (row.file, row.text, row.pixels)
        picture = side.images.pixels[side.images.places[answer.file]]
        assert np.array_equal(picture, results.pixels[results.validation[place]])


def test_texts_are_right_where_the_results_say_so(tmp_path: Path) -> None:
    data = write_run(tmp_path, reads=True)
    side, results = read_run("a", data), load_run(data)
    assert side.reads
    assert [answer.is_right("texts") for answer in side.answers] == (~results.misread).tolist()
    assert [answer.read for answer in side.answers] == [one.text for one in results.readings]


def test_a_text_of_no_characters_is_read(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    table = "file,text,missed,invented,loss,read\na.png,a,a,,1,\n"
    (tmp_path / "data" / "evaluate" / "predictions.csv").write_text(table)
    side = read_run("x", tmp_path / "data")
    assert (side.reads, side.answers[0].is_right("texts")) == (True, False)


def test_without_curves_and_images_the_rest_is_still_read(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "evaluate", tmp_path / "evaluate")
    write_lock(tmp_path / LOCK, {})
    side = read_side("a", tmp_path, tmp_path / LOCK)
    assert (side.epochs, side.images) == ([], None)
    assert {answer.pixels for answer in side.answers} == {None}
    assert side.metrics == read_run("b", data).metrics


def test_a_section_is_what_its_own_stage_saw(tmp_path: Path, data: Path) -> None:
    """top_losses lists all sections; run before evaluate, it knows an earlier threshold."""
    lock = tmp_path / LOCK
    lock.write_text(
        "stages:\n"
        "  evaluate: {params: {params.yaml: {compute.device: cpu, evaluate: {threshold: 0.9},"
        " read: {decoding: beam}}}}\n"
        "  top_losses: {params: {params.yaml: {evaluate: {threshold: 0.5},"
        " read: {decoding: greedy}, top_losses: {images: 4}}}}\n"
    )
    assert read_side("a", data, lock).params == {
        "compute.device": "cpu",
        "evaluate.threshold": "0.9",
        "read.decoding": "beam",
        "top_losses.images": "4",
    }


def test_every_section_that_a_stage_depends_on_is_kept(tmp_path: Path, data: Path) -> None:
    """Of `read`, which no stage is named after, no param was."""
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    seen = {
        stage: {"params": {"params.yaml": {section: {"x": 1} for section in entry["params"]}}}
        for stage, entry in stages.items()
    }
    lock = tmp_path / LOCK
    YAML().dump({"stages": seen}, lock)
    sections = {name.split(".")[0] for entry in stages.values() for name in entry["params"]}
    kept = {name.split(".")[0] for name in read_side("a", data, lock).params}
    assert kept == sections


def test_a_zip_in_a_store_is_known_by_the_stores_own_hash(tmp_path: Path, data: Path) -> None:
    lock = tmp_path / LOCK
    lock.write_text("stages: {ingest: {deps: [{path: 's3://bucket/in.zip', etag: e1, size: 9}]}}")
    assert read_side("a", data, lock).data == {"e1"}


def test_params_are_written_as_yaml_writes_them() -> None:
    params = {"a": {"rate": 1e-05, "augment": True, "file": None, "name": "x", "ends": [1, 2]}}
    assert flatten(params) == {
        "a.rate": "1e-05", "a.augment": "true", "a.file": "null", "a.name": "x", "a.ends": "[1, 2]",
    }  # fmt: skip


@pytest.mark.parametrize("missing", ["predictions.csv", "metrics.json", "details.json"])
def test_what_was_not_evaluated_is_named(data: Path, tmp_path: Path, missing: str) -> None:
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "evaluate" / missing).unlink()
    with pytest.raises(InputError, match=f"x: not evaluated, {missing} is missing"):
        read_run("x", tmp_path / "data")


def test_a_folder_without_a_lock_is_one_clear_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x: not evaluated, dvc\.lock is missing"):
        read_side("x", data, tmp_path / LOCK)


def test_tables_of_another_shape_are_one_clear_line(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "evaluate" / "predictions.csv").write_text("file,text\na.png,a\n")
    with pytest.raises(InputError, match=r"^x: .*predictions\.csv: "):
        read_run("x", tmp_path / "data")


def test_images_without_rows_are_blamed_on_nobody_else(data: Path, tmp_path: Path) -> None:
    """They were put down to another version."""
    shutil.copytree(data, tmp_path / "data")
    manifest = tmp_path / "data/ingest/manifest.jsonl"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"^x: \d+ images have \d+ rows; run dvc repro ingest"):
        read_run("x", tmp_path / "data")


def test_scores_that_are_no_numbers_are_of_another_version(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data/evaluate/labels.csv").write_text("label,f1\na,high\n")
    with pytest.raises(InputError, match=r"^x: another version wrote its evaluation: ValueError"):
        read_run("x", tmp_path / "data")
