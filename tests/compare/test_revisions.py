"""Revisions in a real git and DVC repository."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from captcha_tagger.base.settings import read_params
from captcha_tagger.commands.compare import compare_experiments
from captcha_tagger.compare.revisions import NoRevisionError, open_revision
from tests.repository import PARAMS_FILE
from tests.runs import write_run

STAGES = """stages:
  ingest:
    cmd: "true"
    deps: [images.zip]
    outs: [data/ingest]
  fine_tune:
    cmd: "true"
    params: [fine_tune]
    outs: [data/split, data/train_head, data/fine_tune]
  evaluate:
    cmd: "true"
    outs: [data/evaluate]
"""


def call(*words, cwd):
    words = [sys.executable, "-m", *words] if words[0] == "dvc" else words
    subprocess.run(words, cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Two commits, each with its own run in DVC's cache."""
    root = tmp_path_factory.mktemp("repository")
    call("git", "init", "-q", cwd=root)
    call("git", "config", "user.email", "a@example.org", cwd=root)
    call("git", "config", "user.name", "a", cwd=root)
    call("dvc", "init", "-q", cwd=root)
    call("dvc", "config", "core.analytics", "false", cwd=root)
    (root / "dvc.yaml").write_text(STAGES)
    (root / "images.zip").write_bytes(b"images")
    for name, seed in (("first", 0), ("second", 1)):
        shutil.rmtree(root / "data", ignore_errors=True)
        write_run(root, seed=0, noise=1 + seed)
        shipped = PARAMS_FILE.read_text()
        params = re.sub(r"(?<=fine_tune:\n  epochs: )\d+", str(10 + seed), shipped)
        (root / "params.yaml").write_text(params)
        call("dvc", "commit", "-q", "-f", cwd=root)
        call("git", "add", "-A", cwd=root)
        call("git", "commit", "-q", "-m", name, cwd=root)
        call("git", "tag", name, cwd=root)
    return root


def test_a_revision_is_what_the_workspace_was(repository, monkeypatch):
    monkeypatch.chdir(repository)
    with open_revision("workspace") as here, open_revision("second") as there:
        assert (here.params, here.data, here.metrics) == (there.params, there.data, there.metrics)
        assert here.params["fine_tune.epochs"] == "11"
        assert len(here.data) == 1
        assert here.answers == there.answers
        assert here.epochs == there.epochs
        assert (here.images.pixels == there.images.pixels).all()


def test_two_revisions_are_compared_without_checking_them_out(repository, monkeypatch, tmp_path):
    monkeypatch.chdir(repository)
    text = compare_experiments("first", "second", tmp_path / "compare.html")
    assert ["fine_tune.epochs", "10", "11"] in [line.split() for line in text.splitlines()]
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "fine_tune.epochs" in page
    assert "<img" in page
    changed = subprocess.run(
        ["git", "status", "--porcelain"], capture_output=True, text=True, check=True
    )
    assert changed.stdout == ""


def test_the_workspace_is_a_side_too(repository, monkeypatch, tmp_path):
    monkeypatch.chdir(repository)
    compare_experiments("workspace", "second", tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert (
        "B gets 0 right that A gets wrong, and 0 wrong that A gets right: no more than chance"
        in " ".join(page.split())
    )


def test_an_unknown_name_is_no_revision(repository, monkeypatch):
    monkeypatch.chdir(repository)
    with (
        pytest.raises(NoRevisionError, match=r"no-such: no such revision or experiment"),
        open_revision("no-such"),
    ):
        pass


def test_outside_of_a_repository_there_is_no_revision(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoRevisionError, match="no such revision"), open_revision("HEAD"):
        pass


def test_a_revision_whose_outputs_are_gone_says_so(repository, monkeypatch, tmp_path):
    """In a repository that DVC had not read before, it was a traceback."""
    monkeypatch.chdir(shutil.copytree(repository, tmp_path / "repository"))
    shutil.rmtree(".dvc/cache")
    with (
        pytest.raises(NoRevisionError, match="first: its outputs are not in DVC's cache"),
        open_revision("first"),
    ):
        pass


def test_a_revision_whose_images_alone_are_gone_is_a_side(repository, monkeypatch, tmp_path):
    monkeypatch.chdir(shutil.copytree(repository, tmp_path / "repository"))
    ingest = read_params(Path("dvc.lock"))["stages"]["ingest"]["outs"][0]["md5"]
    Path(".dvc/cache/files/md5", ingest[:2], ingest[2:]).unlink()
    with open_revision("second") as side:
        assert side.images is None
        assert side.answers
