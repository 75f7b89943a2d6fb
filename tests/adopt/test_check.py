import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from captcha_tagger.adopt.check import check
from captcha_tagger.base.errors import InputError
from tests.hostile import fill_folder
from tests.repository import PARAMS_FILE

DVC_FILE = "outs:\n- path: mine\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Git repository with an image folder that nobody tracks."""
    root = tmp_path / "repository"
    fill_folder(root / "mine" / "deep")
    (root / "data").mkdir()
    (root / "data" / ".gitkeep").touch()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "data"], cwd=root, check=True)
    monkeypatch.chdir(root)
    set_params(ingest={"source": "mine"})
    return root


def set_params(**sections: dict[str, str]) -> None:
    yaml = YAML()
    params = yaml.load(PARAMS_FILE)
    for name, values in sections.items():
        params[name].update(values)
    yaml.dump(params, Path("params.yaml"))


def test_a_source_that_nobody_tracks_is_said(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`dvc exp run --temp` ended in DVC's bare Errno 2."""
    check()
    said = capsys.readouterr().err
    assert "ingest.source: mine is known neither to Git nor to DVC" in said
    assert "run `captcha-tagger adopt mine`" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("is_ignored", [False, True])
def test_a_source_of_which_git_knows_a_part_is_said(
    repository: Path, capsys: pytest.CaptureFixture[str], is_ignored: bool
) -> None:
    """A temporary copy trained on that part."""
    if is_ignored:
        Path(".gitignore").write_text("/mine/new.png\n")
    Path("mine/new.png").touch()
    subprocess.run(["git", "add", "mine/deep"], check=True)
    check()
    said = capsys.readouterr().err
    assert "ingest.source: mine/new.png is known neither to Git nor to DVC" in said
    assert said.endswith("for them, `git add` it\n")


def test_a_part_that_dvc_does_not_know_is_said_beside_those_that_it_does(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dvc_file(Path("mine/deep.dvc"))
    Path("mine/new.png").touch()
    check()
    said = capsys.readouterr().err
    assert "ingest.source: mine/new.png is known neither to Git nor to DVC" in said
    assert said.endswith("for them, `dvc add` it\n")


def test_a_dvc_file_that_git_does_not_know_is_no_help(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A temporary copy has none."""
    Path("mine.dvc").write_text(DVC_FILE)
    check()
    assert "mine is known neither" in capsys.readouterr().err


@pytest.mark.parametrize(
    "tracked", ["by git", "by dvc", "within what dvc tracks", "in parts", "outside"]
)
def test_a_source_that_a_copy_would_find_passes_silently(
    repository: Path, capsys: pytest.CaptureFixture[str], tracked: str
) -> None:
    match tracked:
        case "by git":
            subprocess.run(["git", "add", "mine"], check=True)
            Path("mine/.DS_Store").touch()  # no image, which ingest would take
        case "by dvc":
            write_dvc_file(Path("mine.dvc"))
        case "within what dvc tracks":
            write_dvc_file(Path("mine.dvc"))
            set_params(ingest={"source": "mine/deep"})
        case "in parts":
            write_dvc_file(Path("mine/deep.dvc"))
            Path("mine/readme.txt").touch()
            subprocess.run(["git", "add", "mine/readme.txt"], check=True)
        case "outside":
            fill_folder(repository.parent / "outside")
            set_params(ingest={"source": "../outside"})
    check()
    assert capsys.readouterr().err == ""


def write_dvc_file(path: Path) -> None:
    path.write_text(DVC_FILE)
    subprocess.run(["git", "add", path], check=True)


def test_weights_that_are_not_there_are_said_before_dvc_runs(repository: Path) -> None:
    set_params(backbone={"source": "file", "file": "mine/weights.pth"})
    with pytest.raises(InputError, match=r"backbone.file: mine/weights.pth: no such file"):
        check()


def test_the_drawn_captchas_need_not_be_there_yet(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_params(ingest={"source": "data/sample/samples"})
    check()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("key", ["labels", "corrections"])
def test_a_table_that_is_not_there_or_that_nobody_tracks_is_said(
    repository: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    set_params(ingest={"source": "data/sample/samples", key: "mine.csv"})
    with pytest.raises(InputError, match=rf"ingest.{key}: mine.csv: no such file"):
        check()
    Path("mine.csv").touch()
    check()
    assert f"ingest.{key}: mine.csv is known neither to Git nor to DVC" in capsys.readouterr().err
