import subprocess
from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.reproduce.verify import compare, make_clone, read_lock, verify
from tests.conftest import Finished

LOCK = """schema: '2.0'
stages:
  split:
    cmd: split
    params: {{params.yaml: {{split: {{seed: {seed}}}}}}}
    outs: [{{path: data/split, md5: {split}.dir}}]
  evaluate:
    cmd: evaluate
    deps: [{{path: data/split, md5: {split}.dir}}]
    outs: [{{path: data/evaluate, md5: {evaluate}.dir}}]
"""


def lock(folder: Path, *, seed: int = 0, split: str = "a", evaluate: str = "b") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "dvc.lock").write_text(LOCK.format(seed=seed, split=split, evaluate=evaluate))
    return folder


@pytest.mark.slow
def test_a_clone_elsewhere_in_other_surroundings_gives_the_same_hashes(
    finished: Finished, tmp_path: Path
) -> None:
    assert verify(finished.root, tmp_path) is None


def test_equal_locks_show_no_difference(tmp_path: Path) -> None:
    assert compare(lock(tmp_path / "a"), lock(tmp_path / "b")) is None


def test_the_first_stage_that_differs_is_named(tmp_path: Path) -> None:
    difference = compare(lock(tmp_path / "a"), lock(tmp_path / "b", split="x", evaluate="y"))
    assert difference == "split: data/split differs: a.dir here, x.dir in the clone"


def test_differing_files_inside_an_output_are_named(tmp_path: Path) -> None:
    here, there = lock(tmp_path / "a"), lock(tmp_path / "b", evaluate="y")
    for folder, loss in ((here, "1"), (there, "2")):
        (folder / "data/evaluate").mkdir(parents=True)
        (folder / "data/evaluate/loss.csv").write_text(loss)
        (folder / "data/evaluate/same.csv").write_text("same")
    assert "evaluate: data/evaluate differs in loss.csv: " in str(compare(here, there))


def test_a_zip_in_a_store_that_differs_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        dep = f"{{path: 's3://bucket/in.zip', etag: e{name}, size: 9}}"
        (tmp_path / name / "dvc.lock").write_text(f"stages: {{ingest: {{deps: [{dep}]}}}}")
    difference = compare(tmp_path / "a", tmp_path / "b")
    assert difference == "ingest: s3://bucket/in.zip differs: ea here, eb in the clone"


def test_a_lock_of_other_params_is_told_apart(tmp_path: Path) -> None:
    difference = compare(lock(tmp_path / "a"), lock(tmp_path / "b", seed=1))
    assert difference == (
        "split: params differs: dvc.lock is not of this params.yaml; run make repro first"
    )


@pytest.mark.parametrize(
    "content", ["", "<<<<<<< HEAD\nstages: {}\n", "stages: []", "- a", "[" * 5000, "a: !!bool x"]
)
def test_a_damaged_lock_is_bad_input(tmp_path: Path, content: str) -> None:
    (tmp_path / "dvc.lock").write_text(content)
    with pytest.raises(InputError, match=r"dvc\.lock: empty, damaged or with merge conflicts"):
        read_lock(tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("src", "stages", ".dvc", "data/mine"):
        (root / name).mkdir(parents=True)
    (root / ".gitignore").write_text("/data\n")
    (root / ".dvc" / "config").write_text("")
    for name in ("dvc.yaml", "params.yaml", "corrections.csv", "src/a.py", "stages/a.py"):
        (root / name).write_text("")
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "All"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def test_code_that_no_clone_would_hold_is_refused(repository: Path, tmp_path: Path) -> None:
    lock(repository)
    (repository / "src" / "a.py").write_text("changed")
    with pytest.raises(InputError, match=r"src/a\.py: not committed"):
        verify(repository, tmp_path / "clones")


def test_a_clone_finds_the_users_data_beside_and_inside_the_repository(
    repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (repository / "dvc.lock").write_text(
        "stages: {ingest: {deps: [{path: data/mine, md5: a}, {path: ../outside, md5: b}]}}"
    )
    clone = make_clone(repository, tmp_path / "x" / "three/folders/down" / "clone")
    assert (clone / "data/mine").resolve() == repository / "data/mine"
    assert (clone / "../outside").resolve() == tmp_path / "outside"
    assert not (clone / "dvc.lock").exists()


def test_a_clone_takes_corrections_that_are_not_committed(repository: Path, tmp_path: Path) -> None:
    (repository / "dvc.lock").write_text(
        "stages: {ingest: {deps: [{path: corrections.csv, md5: a}, {path: src, md5: b}]}}"
    )
    (repository / "corrections.csv").write_text("file,text,why\nx.png,abc,seen\n")
    clone = make_clone(repository, tmp_path / "x" / "three/folders/down" / "clone")
    assert (clone / "corrections.csv").read_text().endswith("x.png,abc,seen\n")
    (repository / "corrections.csv").write_text("file,text,why\n")
    assert (clone / "corrections.csv").read_text().endswith("x.png,abc,seen\n")
