import re
from pathlib import Path

import pytest

from captcha_tagger.commands.cli import main
from tests.repository import PARAMS_FILE

SHIPPED = PARAMS_FILE.read_text(encoding="utf-8")  # as somebody may have changed it


def run(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return end.value.code


def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> int | str | None:
    """Check params.yaml with the sample as source, but for the first `key`."""
    monkeypatch.chdir(tmp_path)
    text = SHIPPED
    for name, new in (("source", "data/sample/samples"), (key, value)):
        text = re.sub(rf"(?<= {name}: )\S+", new, text, count=1)
    Path("params.yaml").write_text(text, encoding="utf-8")
    Path("data").mkdir()
    Path("data/.gitkeep").touch()
    return run("check")


def test_check_passes_the_shipped_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(tmp_path, monkeypatch, "validation", "0.2") == 0


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("validation", "1.5", "split.validation"),
        ("source", "nowhere", "ingest.source: nowhere: no such folder or zip"),
    ],
)
def test_check_names_what_is_wrong_and_touches_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    key: str,
    value: str,
    line: str,
) -> None:
    assert check(tmp_path, monkeypatch, key, value) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"params.yaml", "data", "data/.gitkeep"}


def test_predicting_nothing_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("predict", "nowhere.png") == 2
    assert "nowhere.png: no such file or folder" in capsys.readouterr().err
