"""A repository as small as can be in which everything has trained, and rows to record of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from captcha_tagger.base.files import read_json, write_json
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.tracking import outbox
from captcha_tagger.tracking.lineage import read_lineage
from captcha_tagger.tracking.row import RunRow
from tests.conftest import make_tagger
from tests.repository import ROOT
from tests.runs import write_run

STAGES = {
    "ingest": {
        "cmd": "ingest ${ingest.source}",
        "deps": ["${ingest.source}"],
        "params": ["ingest"],
        "outs": ["data/ingest"],
    },
    "split": {
        "cmd": "split",
        "deps": ["data/ingest"],
        "params": ["split"],
        "outs": ["data/split"],
    },
    "train_head": {
        "cmd": "train",
        "deps": ["data/ingest", "data/split", "src/captcha_tagger"],
        "params": ["train_head", "compute.device"],
        "outs": ["data/train_head"],
    },
    "fine_tune": {
        "cmd": "tune",
        "deps": ["data/train_head", "src/captcha_tagger"],
        "params": ["fine_tune", "compute.device"],
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
    "ingest": {"source": "images/kaggle"},
    "split": {"seed": 1},
    "train_head": {"epochs": 1},
    "fine_tune": {"epochs": 1},
    "evaluate": {"threshold": "model"},
    "compute": {"device": "cpu", "save_every_seconds": 60},
}


def write_yaml(path: Path, content: Any) -> None:
    YAML().dump(content, path)


def lock(root: Path) -> None:
    """Write dvc.lock as DVC would after running every stage on the files as they are."""
    entries = {}
    for name in STAGES:
        entries[name] = read_lineage(root, running=name).entries[name]
        write_yaml(root / "dvc.lock", {"schema": "2.0", "stages": entries})


def make_repository(root: Path) -> Path:
    """dvc.yaml, params.yaml, code that serves, and the outputs of every stage."""
    root.mkdir(parents=True, exist_ok=True)
    write_yaml(root / "dvc.yaml", {"stages": STAGES})
    write_yaml(root / "params.yaml", PARAMS)
    outbox.copy_code(ROOT / outbox.PACKAGE, root / "src")
    write_json(root / "images" / "kaggle" / "some.json", "images")
    write_run(root, images=8)
    for number, phase in enumerate(("train_head", "fine_tune")):
        save_model(make_tagger(seed=number), root / "data" / phase / "model")
    write_scores(root, exact_set=0.5)
    lock(root)
    return root


def write_scores(root: Path, **scores: float) -> None:
    """Let the evaluation have these scores."""
    metrics = root / "data" / "evaluate" / "metrics.json"
    write_json(metrics, {**read_json(metrics), **scores})


def make_row(**changes: Any) -> RunRow:
    """An experiment of one phase that trained for ninety seconds, a point a step."""
    curve = [("step/loss", 0, 3.0), ("step/loss", 1, 2.0)]
    spent = {"wall_seconds": 90.0}
    phase = RunRow("phase", "FINISHED", 1_000_000, {"a": "1"}, {}, spent, curve)
    row = RunRow("key", "FINISHED", 1_000_000, {"a": "1"}, {"b": "2"}, spent, curve)
    row = replace(row, phases={"train_head": phase}, **changes)
    return replace(row, phases={"train_head": replace(phase, status=row.status, curve=row.curve)})
