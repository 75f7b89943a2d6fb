"""A sweep that is running, and what it leaves."""

import subprocess
import sys
from pathlib import Path

import psutil

from captcha_tagger.sweep.plan import Settings
from captcha_tagger.sweep.trial import Trial
from tests.project import Project, Recorded, read_store

TAGGER = (sys.executable, "-m", "captcha_tagger.commands.cli")
# As a driver on one of the tests' nodes, which have but a loopback.
ON_LOOPBACK = (
    sys.executable,
    "-c",
    "import ray; ray._private.services.get_node_ip_address = lambda *_: '127.0.0.1';"
    "from captcha_tagger.commands.cli import main; main()",
)


def start(
    project: Project, *words: str, tagger: tuple[str, ...] = TAGGER
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*tagger, "sweep", *words],
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def make_trial(folder: Path, number: int, settings: Settings) -> Trial:
    """One of the repository `root` in the folder."""
    return Trial(
        root=folder / "root",
        cache=folder / "cache",
        clone=folder / str(number),
        log=folder / f"{number}.log",
        number=number,
        name=f"trial-{number}",
        settings=settings,
        baseline="HEAD",
        links=[],
        patch=b"",
    )


def list_experiments(project: Project) -> set[str]:
    """The names of those under the one baseline that there is."""
    head = project.run("git", "rev-parse", "HEAD").stdout.strip()
    refs = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    found = [ref.split("/")[2:] for ref in refs if "stash" not in ref and "exec" not in ref]
    assert {"".join(parts[:-1]) for parts in found} == {head}
    return {parts[-1] for parts in found}


def list_rows(project: Project) -> list[Recorded]:
    return read_store(f"sqlite:///{project.root}/mlflow.db")


def list_below(folder: Path, word: str = "") -> list[psutil.Process]:
    """The processes that work in the folder; if a word is given, those with it on their line."""
    found = []
    for process in psutil.process_iter():
        try:
            at_work = Path(process.cwd()).is_relative_to(folder)
            if at_work and (not word or word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found
