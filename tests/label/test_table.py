from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.ingest.label_file import read_labels
from captcha_tagger.label.table import LabelTable


def test_ingest_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    texts = {"a b,c.png": "=1+1", 'deep/"q".png': "'x", "é.png": "ß", " z.png": "7"}
    table = LabelTable(path)
    for file, text in texts.items():
        table.add(file, text)
    assert table.read() == texts
    assert read_labels(path, ("file", "text"), [*texts, "rest.png"]).texts == texts


def test_what_is_written_by_hand_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    table = LabelTable(path)
    table.add("a.png", "abc")
    path.write_text("file,text\na.png,abd\nb.png,xyz\n")
    table.add("c.png", "q")
    assert table.read() == {"a.png": "abd", "b.png": "xyz", "c.png": "q"}


@pytest.mark.parametrize("header", ["Id,Label", "file,text,why"])
def test_another_table_is_left_alone(tmp_path: Path, header: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"{header}\na,b\n")
    with pytest.raises(InputError, match="name another file by --out"):
        LabelTable(path).add("a.png", "abc")
    assert path.read_text() == f"{header}\na,b\n"


def test_a_name_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"name a \.csv"):
        LabelTable(tmp_path / "a.png")
