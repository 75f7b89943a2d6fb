import json
from pathlib import Path

import pytest
import zc.lockfile

from captcha_tagger.reproduce.recover import recover

LOCK = """schema: '2.0'
stages:
  split:
    cmd: python stages/split.py
    outs:
    - path: data/split
      hash: md5
      md5: 0123456789abcdef0123456789abcdef.dir
      size: 7
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / ".dvc" / "tmp" / "lock").touch()
    return tmp_path


@pytest.mark.parametrize("size", [0, 3, 20])
def test_a_lock_file_cut_off_where_dvc_would_refuse_it_is_set_aside(root: Path, size: int) -> None:
    (root / "dvc.lock").write_text(LOCK[:size])
    (line,) = recover(root)
    assert line.startswith("dvc.lock was cut off (")
    assert (root / "dvc.damaged").read_text() == LOCK[:size]
    assert not (root / "dvc.lock").exists()


def test_a_sound_lock_file_stays(root: Path) -> None:
    (root / "dvc.lock").write_text(LOCK)
    (root / ".dvc/tmp/rwlock").write_text(json.dumps({"read": {}, "write": {}}))
    assert recover(root) == []
    assert (root / "dvc.lock").read_text() == LOCK


def test_a_cut_rwlock_is_set_aside(root: Path) -> None:
    (root / ".dvc/tmp/rwlock").write_text('{"write": {"/da')
    assert len(recover(root)) == 1
    assert not (root / ".dvc/tmp/rwlock").exists()


def test_while_dvc_is_writing_nothing_is_touched(root: Path) -> None:
    (root / "dvc.lock").write_text(LOCK[:20])
    held = zc.lockfile.LockFile(str(root / ".dvc" / "tmp" / "lock"))
    assert recover(root) == []
    held.close()
    assert (root / "dvc.lock").read_text() == LOCK[:20]


def test_a_folder_that_dvc_never_ran_in_is_fine(tmp_path: Path) -> None:
    assert recover(tmp_path) == []
