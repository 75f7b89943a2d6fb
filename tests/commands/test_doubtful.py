from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import write_table
from captcha_tagger.commands.doubtful import propose_corrections
from captcha_tagger.ingest.corrections import Correction, read_corrections

COLUMNS = ["file", "text", "missed", "invented", "read", "sureness", "suggestion"]


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "doubtful_names.csv"
    rows = [
        ["ab1.png", "ab1", "1", "7", "ab7", 0.9996, "ab7"],
        ["=x.png", "=x", "x", "y", "=y", 0.99, "=y"],
        ["b.png", "b", "", "cd", "", 0.99, ""],
        ["drap.png", "drap", "a", "o", "drop", 0.99, "drop"],
    ]
    write_table(path, COLUMNS, rows)
    return path


def test_proposals_are_corrections_that_ingest_reads(
    names: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "corrections.csv"
    assert propose_corrections(names, out) == 2
    assert read_corrections(out, "keep") == {
        "ab1.png": Correction("ab7", "named ab1, the model is sure by 1.000"),
        "=x.png": Correction("=y", "named =x, the model is sure by 0.990"),
    }
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == [
        "b.png",
        "drap.png",
    ]


def test_what_somebody_has_reviewed_stays(names: Path, tmp_path: Path) -> None:
    out = tmp_path / "corrections.csv"
    out.write_text("file,text,why\nab1.png,drop,blurred\nz.png,zz,\n")
    assert propose_corrections(names, out) == 1
    found = read_corrections(out, "keep")
    assert found["ab1.png"] == Correction("drop", "blurred")
    assert found["z.png"] == Correction("zz", "")


def test_without_a_run_there_is_nothing_to_propose(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run dvc repro"):
        propose_corrections(tmp_path / "none.csv", tmp_path / "corrections.csv")
