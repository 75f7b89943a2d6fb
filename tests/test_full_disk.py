"""Stages on a disk that fills up, may not be written, or limits its files: real ones, no mocks."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from captcha_tagger.reproduce.verify import environment
from tests.conftest import Finished

pytestmark = pytest.mark.slow

PAGE = 4096  # bytes that tmpfs takes at least for a file
STAGES = {
    "sample": [],
    "ingest": [],
    "split": ["data/ingest"],
    "backbone": [],
    "train_head": ["data/ingest", "data/split", "data/backbone"],
    "fine_tune": ["data/ingest", "data/split", "data/train_head"],
    "evaluate": ["data/ingest", "data/split", "data/fine_tune"],
    "top_losses": ["data/ingest", "data/split", "data/train_head", "data/fine_tune",
                   "data/evaluate"],
}  # fmt: skip
EARLIER = "what an earlier run left"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB of its own, so that it can be filled and locked."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount(disk, "-t", "tmpfs", "-o", "size=8m", "tmpfs")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def mount(disk: Path, *options: str) -> None:
    try:
        done = subprocess.run(
            ["mount", *options, disk], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("mount is not installed")
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")


def leave_earlier_output(disk: Path) -> None:
    (disk / "out").mkdir()
    (disk / "out" / "earlier.txt").write_text(EARLIER)


def fill(disk: Path, *, free_bytes: int) -> None:
    status = os.statvfs(disk)
    with (disk / "filler").open("wb") as file:
        file.write(bytes(max(0, status.f_bavail * status.f_frsize - free_bytes)))


def run_stage(
    root: Path, stage: str, out: Path, state: Path, *, largest_file: int | None = None
) -> "subprocess.CompletedProcess[str]":
    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return subprocess.run(
        [sys.executable, f"stages/{stage}.py", *STAGES[stage], out],
        cwd=root,
        env=environment() | {"PYTHONPATH": "src", "DVC_ROOT": str(state)},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_one_line_and_nothing_lost(
    done: "subprocess.CompletedProcess[str]", stage: str, reason: str, folder: Path
) -> None:
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(f"{stage}: ")
    assert done.stderr.endswith(f": {reason}\n")
    assert done.stderr.count("\n") == 1
    assert {path.name for path in folder.iterdir()} <= {"out", "filler"}
    assert [path.name for path in (folder / "out").iterdir()] == ["earlier.txt"]
    assert (folder / "out" / "earlier.txt").read_text() == EARLIER


@pytest.mark.parametrize("stage", STAGES)
def test_a_disk_that_fills_up_half_way(
    finished: Finished, small_disk: Path, tmp_path: Path, stage: str
) -> None:
    files = [path for path in (finished.root / f"data/{stage}").rglob("*") if path.is_file()]
    pages = sum(-(-path.stat().st_size // PAGE) for path in files)
    leave_earlier_output(small_disk)
    fill(small_disk, free_bytes=pages // 2 * PAGE)
    done = run_stage(finished.root, stage, small_disk / "out", tmp_path)
    assert_one_line_and_nothing_lost(done, stage, "No space left on device", small_disk)


@pytest.mark.parametrize("stage", ["sample", "ingest", "split", "evaluate", "top_losses"])
def test_a_folder_that_may_only_be_read(
    finished: Finished, small_disk: Path, tmp_path: Path, stage: str
) -> None:
    leave_earlier_output(small_disk)
    mount(small_disk, "-o", "remount,ro")
    done = run_stage(finished.root, stage, small_disk / "out", tmp_path)
    assert_one_line_and_nothing_lost(done, stage, "Read-only file system", small_disk)


@pytest.mark.parametrize("stage", STAGES)
def test_a_limit_on_the_size_of_files(finished: Finished, tmp_path: Path, stage: str) -> None:
    """As a quota does; needs no right to mount."""
    folder = tmp_path / "folder"
    folder.mkdir()
    leave_earlier_output(folder)
    done = run_stage(finished.root, stage, folder / "out", tmp_path, largest_file=500)
    assert_one_line_and_nothing_lost(done, stage, "File too large", folder)


@pytest.mark.parametrize("stage", ["backbone", "train_head", "fine_tune"])
def test_a_full_disk_under_the_resume_files(
    finished: Finished, small_disk: Path, tmp_path: Path, stage: str
) -> None:
    leave_earlier_output(tmp_path)
    (small_disk / "mlflow.db").write_text("the store")
    fill(small_disk, free_bytes=PAGE)
    done = run_stage(finished.root, stage, tmp_path / "out", small_disk)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{stage}: {small_disk}/.state/")
    assert done.stderr.endswith(": No space left on device\n")
    assert done.stderr.count("\n") == 1
    assert (small_disk / "mlflow.db").read_text() == "the store"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["earlier.txt"]
