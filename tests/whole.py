"""The whole pipeline on tiny params, as the slow tests run it: real clones, real DVC."""

import shutil
import subprocess
from pathlib import Path

from captcha_tagger.reproduce.verify import DVC, environment
from tests.repository import PARAMS_FILE, ROOT

FORCED = ("repro", "--single-item", "--force", "--no-run-cache")  # runs one stage, cached or not


def commit_working_tree(folder: Path) -> Path:
    """A repository whose one commit is the working tree, so that tests see what is being edited."""
    folder.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists() and name != "params.yaml":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    shutil.copyfile(PARAMS_FILE, folder / "params.yaml")
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "Working tree"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def copy_repository(root: Path, folder: Path) -> Path:
    """A copy with outputs and cache, without what belongs to the original's processes."""
    return shutil.copytree(root, folder, ignore=shutil.ignore_patterns("tmp"))


def run_dvc(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*DVC, *words],
        cwd=root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
