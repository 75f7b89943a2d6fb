"""record, register, compare, predict --model and ui where there is nothing or little to work on."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from captcha_tagger.commands.cli import main
from tests.servers import free_port
from tests.tracking.repository import make_repository

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int | str | None, str]:
    """The exit code, and the one line that was said."""
    with pytest.raises(SystemExit) as end:
        main(list(words))
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return end.value.code, said


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, empty, in which no environment names a repository or store."""
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execv", stay)
    yield tmp_path
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it


def stay(*_: object) -> None:
    """Pytest itself would be MLflow's server from there on, and end with its exit code."""
    pytest.fail("a server was started")


COMMANDS = [["compare", "a", "b"], ["register"], ["predict", "x.png", "--model", "@champion"]]


@pytest.mark.parametrize("words", [*COMMANDS, ["record"], ["ui"]])
def test_nothing_is_left_in_a_folder_that_is_no_repository(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped `--model` left a database and .state wherever it was typed."""
    (folder / "x.png").touch()
    assert run(capsys, *words)[0] == 2
    assert [path.name for path in folder.iterdir()] == ["x.png"]


@pytest.mark.parametrize("words", COMMANDS)
def test_reading_creates_no_store(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("dvc.yaml", "x.png"):
        (folder / name).touch()
    code, said = run(capsys, *words)
    assert code == 2
    assert "nothing is recorded yet" in said
    assert {path.name for path in folder.iterdir()} == {"dvc.yaml", "x.png"}


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("store", ["a server that is down", "a damaged database"])
def test_a_store_that_does_not_answer_is_one_line(
    folder: Path,
    words: list[str],
    store: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each was a traceback."""
    for name in ("dvc.yaml", "x.png"):
        (folder / name).touch()
    if store == "a damaged database":
        (folder / "mlflow.db").write_text("no database")
    else:
        address = f"http://me:secret@127.0.0.1:{free_port()}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    code, said = run(capsys, *words)
    assert code == 1
    assert "the MLflow store does not answer" in said
    assert "secret" not in said


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD\nschema: '2.0'\n", "a: [", "- 1\n", "\t"])
def test_a_broken_dvc_lock_is_one_line(
    folder: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_repository(folder)
    (folder / "dvc.lock").write_text(text)
    code, said = run(capsys, "record")
    assert code == 2
    assert "dvc.lock" in said


@pytest.mark.parametrize("port", ["99999", "65536", "-1"])
def test_the_ui_refuses_what_is_no_port(
    folder: Path, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "dvc.yaml").touch()
    assert run(capsys, "ui", "--port", port)[0] == 2


def test_the_ui_says_that_a_port_is_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It said so in a traceback, and ended with 0."""
    (folder / "dvc.yaml").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = run(capsys, "ui", "--port", port)
    assert (code, port in said) == (2, True)


def test_the_ui_of_a_tracking_server_is_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    code, said = run(capsys, "ui")
    assert code == 2
    assert "secret" not in said


def test_the_ui_opens_the_repositorys_store_from_a_subfolder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opened an empty one."""
    (folder / "dvc.yaml").touch()
    (folder / "data").mkdir()
    monkeypatch.chdir(folder / "data")
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: started.append(words))
    monkeypatch.delenv("MLFLOW_BACKEND_STORE_URI", raising=False)
    with pytest.raises(SystemExit):
        main(["ui", "--port", "5999"])
    assert os.environ.pop("MLFLOW_BACKEND_STORE_URI") == f"sqlite:///{folder}/mlflow.db"
    assert started[0][-1] == "5999"
