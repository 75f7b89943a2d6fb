from pathlib import Path

import pytest

from captcha_tagger.files import atomic_file, atomic_folder, read_table, write_json, write_table


def test_a_failed_file_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("earlier")
    with pytest.raises(RuntimeError), atomic_file(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_folder_leaves_the_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.txt").write_text("earlier")
    with pytest.raises(RuntimeError), atomic_folder(folder) as beside:
        (beside / "a.txt").write_text("half")
        raise RuntimeError
    assert (folder / "a.txt").read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [folder]


def test_what_a_killed_process_left_beside_is_swept_away(tmp_path: Path) -> None:
    left = tmp_path / ".out.partial"
    left.mkdir()
    (left / "stale.txt").write_text("half")
    with atomic_folder(tmp_path / "out") as beside:
        (beside / "new.txt").write_text("whole")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new.txt"]
    assert not left.exists()


def test_json_refuses_nan_and_keeps_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": 2})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, float("nan"))
    assert path.read_text() == '{\n  "a": 2,\n  "b": 1\n}\n'


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_a_table_holds_no_live_formula(tmp_path: Path, cell: str) -> None:
    write_table(tmp_path / "a.csv", ["file"], [[cell]])
    assert read_table(tmp_path / "a.csv")[0]["file"] == "'" + cell


def test_numbers_stay_numbers_in_a_table(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", ["x"], [[-0.5]])
    assert read_table(tmp_path / "a.csv")[0]["x"] == "-0.5"
