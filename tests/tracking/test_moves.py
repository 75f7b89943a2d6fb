"""Which addresses in a real store follow a repository that is moved: its own, and no others."""

import os
import shutil
import socket
import sqlite3
from pathlib import Path

import pytest

from captcha_tagger.commands.ui import open_ui
from captcha_tagger.tracking import store
from captcha_tagger.tracking.moves import LOCATIONS, follow_move
from captcha_tagger.tracking.recorder import record_workspace

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


def read_addresses(root: Path) -> set[str]:
    """Every address in the tables but that of MLflow's own experiment."""
    with sqlite3.connect(root / "mlflow.db") as tables:
        found = [
            row[0]
            for table, column in LOCATIONS
            for row in tables.execute(f"select {column} from {table}")
        ]
    return {address for address in found if address and not address.endswith("/0")}


def go_to(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work there, as in a process of its own: MLflow sets the variable itself."""
    monkeypatch.chdir(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return root


@pytest.mark.parametrize("name", ["captcha-tagger", "ocr"])
def test_an_experiment_of_any_name_follows(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where MLFLOW_EXPERIMENT_NAME named it, new artifacts went to the old place."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    record_workspace()
    moved = go_to(root.rename(root.with_name("moved")), monkeypatch)
    follow_move()
    assert "have moved from" in capsys.readouterr().err
    here = (moved / "mlruns").as_uri()
    addresses = read_addresses(moved)
    assert here in addresses
    assert {address[: len(here)] for address in addresses} == {here}


def test_a_copy_has_its_own_artifacts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_workspace()
    before = read_addresses(root)
    copy = go_to(Path(shutil.copytree(root, root.with_name("copy"))), monkeypatch)
    follow_move()
    assert read_addresses(root) == before
    assert not before & read_addresses(copy)


def test_the_addresses_of_others_stay(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of experiments whose names begin like ours were lost, even in an object store."""
    shared = root.with_name("shared") / "mlruns"
    shared.mkdir(parents=True)
    others = {
        "captcha-tagger in a bucket": "s3://bucket/mlruns",
        "captcha-tagger elsewhere": "file:///srv/artifacts",
        "shared": shared.as_uri(),
        "beyond looking at": f"file:///{'x' * 300}/artifacts",
    }
    client = store.connect(create=True)
    for name, location in others.items():
        client.create_experiment(name, artifact_location=location)
    moved = go_to(root.rename(root.with_name("moved")), monkeypatch)
    follow_move()
    assert read_addresses(moved) == set(others.values())
    assert capsys.readouterr().err == ""


def test_the_ui_follows(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It showed runs without their files."""
    store.ensure_experiment(store.connect(create=True))
    moved = go_to(root.rename(root.with_name("moved")), monkeypatch)
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "")  # is set, and undone with the test
    monkeypatch.setattr(os, "execv", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    open_ui(port)
    assert read_addresses(moved) == {(moved / "mlruns").as_uri()}
