import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import (
    atomic_file,
    atomic_folder,
    read_json,
    read_table,
    write_array,
    write_json,
    write_table,
)


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


def test_what_a_killed_process_left_beside_a_file_is_swept_away(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid in (ended.pid, os.getppid()):
        (tmp_path / f".a.txt.{pid}.partial").write_text("half")
    with atomic_file(tmp_path / "a.txt") as beside:
        beside.write_text("whole")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a.txt", f".a.txt.{os.getppid()}.partial"}  # that one may still be writing


@pytest.mark.parametrize("target", ["real/a.txt", "real/new.txt", "elsewhere/a.txt"])
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path, target: str) -> None:
    """A params.yaml that was a link became a file of its own."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("earlier")
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    with atomic_file(link) as beside:
        beside.write_text("later")
    assert link.readlink() == Path(target)
    assert (tmp_path / target).read_text() == "later"
    assert not list(tmp_path.rglob("*.partial"))


def test_a_link_to_a_protected_file_is_replaced_itself(tmp_path: Path) -> None:
    """DVC can link to its cache, whose files keep what their names promise."""
    cached, link = tmp_path / "cached", tmp_path / "link.txt"
    cached.write_text("earlier")
    cached.chmod(0o444)
    link.symlink_to(cached)
    with atomic_file(link) as beside:
        beside.write_text("later")
    assert cached.read_text() == "earlier"
    assert (link.read_text(), link.is_symlink()) == ("later", False)


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to a device"])
def test_what_is_no_file_is_never_replaced_by_one(tmp_path: Path, kind: str) -> None:
    """Root lost /dev/null."""
    path = tmp_path / "out"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    before = path.stat()
    with pytest.raises(InputError, match="not a regular file"), atomic_file(path):
        raise AssertionError
    assert path.stat() == before
    assert [found.name for found in tmp_path.iterdir()] == ["out"]


def test_an_error_of_the_system_names_the_output(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as caught:  # noqa: SIM117
        with atomic_folder(tmp_path / "out"):
            Path("/dev/full").write_text("x")
    assert caught.value.filename == str(tmp_path / "out")


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
def test_an_array_comes_back_by_numpy(tmp_path: Path, dtype: type) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype).transpose(2, 0, 1)
    write_array(tmp_path / "a.npy", array)
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)
    assert np.load(tmp_path / "a.npy").dtype == dtype


def test_json_refuses_nan_and_keeps_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": 2})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, float("nan"))
    assert path.read_text() == '{\n  "a": 2,\n  "b": 1\n}\n'


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"<<<<<<< HEAD\n{}"])
def test_damaged_json_is_bad_input(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json: not readable as JSON"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_a_table_holds_no_live_formula(tmp_path: Path, cell: str) -> None:
    write_table(tmp_path / "a.csv", ["file"], [[cell]])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["file"], ["'" + cell]]


@settings(max_examples=50, deadline=None)  # each writes to disk
@given(cells=st.lists(st.text(max_size=4) | st.text("'=+-@\t\r\n,\"", max_size=4), min_size=1))
def test_a_table_gives_back_the_texts_that_it_was_given(
    cells: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A label `+` came back as `'+` in the metrics' names and in comparisons."""
    path = tmp_path_factory.mktemp("table") / "a.csv"
    write_table(path, ["number", "file"], enumerate(cells))
    assert [row["file"] for row in read_table(path)] == cells


def test_numbers_stay_numbers_in_a_table(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", ["x"], [[-0.5]])
    assert read_table(tmp_path / "a.csv")[0]["x"] == "-0.5"
