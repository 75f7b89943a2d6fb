"""What made the outputs on disk, from real files in DVC's own format."""

from pathlib import Path
from typing import Any

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import hash_path
from captcha_tagger.tracking.lineage import read_lineage
from tests.tracking.repository import write_yaml

STAGES = {
    "ingest": {
        "cmd": "ingest ${ingest.source}",
        "deps": ["${ingest.source}"],
        "params": ["ingest"],
        "outs": ["data/ingest"],
    },
    "train_head": {
        "cmd": "train",
        "deps": ["data/ingest", "train.py"],
        "params": ["train_head", "compute"],
        "outs": ["data/train_head"],
    },
    "fine_tune": {
        "cmd": "tune",
        "deps": ["data/train_head", "tune.py"],
        "params": ["fine_tune", "compute"],
        "outs": ["data/fine_tune"],
    },
    "evaluate": {
        "cmd": "evaluate",
        "deps": ["data/fine_tune"],
        "params": ["evaluate"],
        "outs": ["data/evaluate"],
    },
}
PARAMS: dict[str, dict[str, Any]] = {
    "ingest": {"source": "images"},
    "train_head": {"epochs": 1},
    "fine_tune": {"epochs": 1},
    "evaluate": {"threshold": "model"},
    "compute": {"threads": 1},
}


def write_files(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def lock(root: Path) -> None:
    """Write dvc.lock as DVC would after running every stage on the files as they are."""
    entries = {}
    for name in STAGES:
        entries[name] = read_lineage(root, running=name).entries[name]
        write_yaml(root / "dvc.lock", {"schema": "2.0", "stages": entries})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_yaml(tmp_path / "dvc.yaml", {"stages": STAGES})
    write_yaml(tmp_path / "params.yaml", PARAMS)
    write_files(tmp_path, images__a="1", train_py="1", tune_py="1")
    for name in STAGES:
        write_files(tmp_path, **{f"data__{name}__out": name})
    lock(tmp_path)
    return tmp_path


def change_params(root: Path, **sections: dict[str, Any]) -> None:
    write_yaml(root / "params.yaml", {**PARAMS, **sections})


def test_a_folders_hash_is_that_of_dvc(tmp_path: Path) -> None:
    """The value was written by DVC 3.67 for the same two files."""
    write_files(tmp_path, folder__b__c="two", folder__a="one")
    found = hash_path(tmp_path, "folder")
    assert found is not None
    assert found["md5"] == "ea9b6a5930cf6293f70e1ddb2a88b877.dir"
    assert (found["size"], found["nfiles"]) == (6, 2)


def test_everything_on_disk_is_trusted_after_a_run(root: Path) -> None:
    assert read_lineage(root).trusted == frozenset(STAGES)


def test_the_key_is_known_when_head_training_starts(root: Path) -> None:
    key = read_lineage(root).key("fine_tune")
    assert read_lineage(root, running="train_head").key("fine_tune") == key
    assert read_lineage(root, running="fine_tune").key("fine_tune") == key


def test_evaluating_otherwise_keeps_the_key(root: Path) -> None:
    key = read_lineage(root).key("fine_tune")
    change_params(root, evaluate={"threshold": 0.2})
    assert read_lineage(root, running="evaluate").key("fine_tune") == key


@pytest.mark.parametrize("section", ["ingest", "train_head", "fine_tune", "compute"])
def test_params_that_make_the_model_change_the_key(root: Path, section: str) -> None:
    key = read_lineage(root).key("fine_tune")
    change_params(root, **{section: {**PARAMS[section], "other": 2}})
    lock(root)
    assert read_lineage(root).key("fine_tune") != key


def test_code_that_trains_changes_the_key(root: Path) -> None:
    key = read_lineage(root).key("fine_tune")
    write_files(root, tune_py="2")
    assert read_lineage(root, running="fine_tune").key("fine_tune") != key


def test_fine_tunings_params_leave_the_heads_key(root: Path) -> None:
    key = read_lineage(root).key("train_head")
    change_params(root, fine_tune={"epochs": 2})
    lock(root)
    assert read_lineage(root).key("train_head") == key


def test_edited_params_that_have_not_run_do_not_describe_the_outputs(root: Path) -> None:
    key = read_lineage(root).key("fine_tune")
    change_params(root, fine_tune={"epochs": 9})
    assert read_lineage(root).key("fine_tune") == key


def test_an_output_that_was_touched_is_not_trusted(root: Path) -> None:
    write_files(root, data__evaluate__out="forged")
    assert "evaluate" not in read_lineage(root).trusted


def test_what_was_made_from_an_earlier_output_does_not_fit(root: Path) -> None:
    write_files(root, data__train_head__out="another head")
    found = read_lineage(root, running="train_head")
    assert set(found.entries) == {"ingest", "train_head"}


def test_stages_of_the_users_own_are_understood(root: Path) -> None:
    """One without outputs, one of a matrix, and outputs with settings were a traceback."""
    before = read_lineage(root)
    told = STAGES["evaluate"] | {"outs": [{"data/evaluate": {"cache": False}}]}
    more = {
        "notify": {"cmd": "mail"},
        "each": {"foreach": ["a"], "do": {"cmd": "echo ${item}"}},
        "all": {
            "matrix": {"x": ["a"]},
            "cmd": "echo",
            "deps": ["${item.x}", "${compute.threads.x}"],
        },
    }
    write_yaml(root / "dvc.yaml", {"stages": STAGES | {"evaluate": told} | more})
    after = read_lineage(root)
    assert after.key("fine_tune") == before.key("fine_tune")
    assert after.entries == before.entries


def test_a_stage_of_the_users_own_before_ours_is_part_of_the_key(root: Path) -> None:
    """Before it has run, too, and with params of a file of its own."""
    before = read_lineage(root).key("fine_tune")
    draw = {"cmd": "draw", "params": [{"own.yaml": ["faces"]}], "outs": ["images"]}
    write_yaml(root / "dvc.yaml", {"stages": {"draw": draw} | STAGES})
    assert read_lineage(root).key("fine_tune") != before


@pytest.mark.parametrize("text", ["{}", "stages:", "stages: {ingest: {cmd: x}}", "plots: []"])
def test_a_dvc_yaml_without_our_stages_is_one_line(root: Path, text: str) -> None:
    (root / "dvc.yaml").write_text(text)
    with pytest.raises(InputError, match=r"dvc\.yaml: has no stage train_head"):
        read_lineage(root)
