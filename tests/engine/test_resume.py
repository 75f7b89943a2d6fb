import hashlib
import os
import pickle
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks.kills import shrink
from captcha_tagger.engine.resume import ResumeFile, fingerprint
from captcha_tagger.reproduce.verify import DVC, environment, read_lock
from tests.conftest import Finished
from tests.repository import ROOT
from tests.whole import FORCED, copy_repository, run_dvc


def saved(key: str = "key") -> ResumeFile:
    resume = ResumeFile("test", key, every_seconds=1e9)
    resume.save({"step": 3, "model": {"weight": torch.arange(1000.0)}})
    return resume


def test_what_was_saved_comes_back() -> None:
    state = saved().load()
    assert state is not None
    assert state["step"] == 3
    assert torch.equal(state["model"]["weight"], torch.arange(1000.0))


def test_another_key_finds_nothing() -> None:
    saved("one")
    assert ResumeFile("test", "other", every_seconds=1e9).load() is None


@pytest.mark.parametrize("place", [0, 40, -2000, -1])
def test_one_flipped_bit_is_noticed(place: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Also inside a tensor, where torch.load itself sees nothing wrong."""
    resume = saved()
    content = bytearray(resume.path.read_bytes())
    content[place] ^= 1
    resume.path.write_bytes(content)
    assert resume.load() is None
    assert "set aside" in capsys.readouterr().err
    assert not resume.path.exists()


@pytest.mark.parametrize("size", [0, 1, 32, 33, 1000])
def test_a_cut_off_file_is_set_aside(size: int, capsys: pytest.CaptureFixture[str]) -> None:
    resume = saved()
    resume.path.write_bytes(resume.path.read_bytes()[:size])
    assert resume.load() is None
    assert capsys.readouterr().err.count("\n") == 1


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return Path("exploded").touch, ()


def test_pickled_code_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    resume = saved()
    bomb = pickle.dumps(Bomb(), protocol=2)
    resume.path.write_bytes(hashlib.sha256(bomb).digest() + bomb)
    assert resume.load() is None
    assert not Path("exploded").exists()


def test_the_key_follows_settings_and_contents_of_files(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    key = fingerprint("fine_tune", ["seed", 1], [file])
    assert fingerprint("fine_tune", ["seed", 1], [file]) == key
    assert fingerprint("fine_tune", ["seed", 2], [file]) != key
    file.write_text("two")
    assert fingerprint("fine_tune", ["seed", 1], [file]) != key


@pytest.mark.parametrize(
    ("changed", "is_its_code"),
    [("training/objective.py", True), ("engine/loop.py", True), ("report/page.py", False)],
)
def test_the_key_follows_the_code_that_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, is_its_code: bool
) -> None:
    """A key of the module's own folder alone would go on with changed code, silently."""
    for name in ("dvc.yaml", "src", "stages"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr("captcha_tagger.base.code.ROOT", tmp_path)
    key = fingerprint("fine_tune", [], [])
    with (tmp_path / "src" / "captcha_tagger" / changed).open("a") as file:
        file.write("# changed\n")
    assert (fingerprint("fine_tune", [], []) != key) == is_its_code


def kill_when_saved(root: Path, stage: str) -> None:
    """SIGKILL `dvc repro` and the stage as soon as there is a resume file."""
    with subprocess.Popen(
        [*DVC, *FORCED, stage],
        cwd=root,
        env=environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while not resume_files(root):
            assert process.poll() is None, "it ended without saving"
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)


def resume_files(root: Path) -> list[Path]:
    return sorted((root / ".state" / "resume").glob("*.pt"))


def outs(root: Path, stage: str) -> object:
    return read_lock(root)[stage]["outs"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["backbone", "train_head", "fine_tune"])
def test_a_killed_stage_goes_on_under_dvc(finished: Finished, tmp_path: Path, stage: str) -> None:
    root = copy_repository(finished.root, tmp_path / "root")
    kill_when_saved(root, stage)
    done = run_dvc(root, *FORCED, stage)
    assert done.returncode == 0, done.stdout
    assert f"{stage.replace('_', ' ')}: going on after step" in done.stdout
    assert outs(root, stage) == outs(finished.root, stage)
    assert not resume_files(root)


def damage(root: Path) -> str:
    (file,) = resume_files(root)
    file.write_bytes(file.read_bytes()[:-1])
    return "resume file set aside"


def change_code(root: Path) -> str:
    with (root / "src" / "captcha_tagger" / "training" / "augmentation.py").open("a") as file:
        file.write("# one more line\n")
    return "fine tune epoch"


def change_script(root: Path) -> str:
    with (root / "stages" / "fine_tune.py").open("a") as file:
        file.write("# one more line\n")
    return "fine tune epoch"


def change_data(root: Path) -> str:
    """The same images, split in another way: what train_head learned stays as it is."""
    parts = root / "data" / "split" / "parts.json"
    parts.write_text(parts.read_text() + "\n")
    return "fine tune epoch"


def change_params(root: Path) -> str:
    shrink(root, {"fine_tune": {"weight_decay": 0.02}})
    return "fine tune epoch"


@pytest.mark.slow
@pytest.mark.parametrize("change", [damage, change_code, change_script, change_data, change_params])
def test_after_a_change_it_starts_anew(
    finished: Finished, tmp_path: Path, change: Callable[[Path], str]
) -> None:
    root = copy_repository(finished.root, tmp_path / "root")
    kill_when_saved(root, "fine_tune")
    expected = change(root)
    done = run_dvc(root, *FORCED, "fine_tune")
    assert done.returncode == 0, done.stdout
    assert expected in done.stdout
    assert "going on" not in done.stdout
    same = change is not change_params
    assert (outs(root, "fine_tune") == outs(finished.root, "fine_tune")) is same
    shutil.rmtree(root)
