"""One attack: what is done to a repository, what then runs, and how that must end.

Everything runs in this process, on a copy of one finished run. Whatever was attacked, there is no
traceback, bad input is one line and exit code 2, and no file is lost or half written.
"""

import runpy
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from captcha_tagger.commands.cli import main
from tests.repository import ROOT

STAGE_PATHS = {
    "sample": ["sample/samples"],
    "ingest": ["ingest"],
    "split": ["ingest", "split"],
    "backbone": ["backbone"],
    "train_head": ["ingest", "split", "backbone", "train_head"],
    "fine_tune": ["ingest", "split", "train_head", "fine_tune"],
    "evaluate": ["ingest", "split", "fine_tune", "evaluate"],
    "top_losses": ["ingest", "split", "train_head", "fine_tune", "evaluate", "top_losses"],
}

Attack = Callable[[], object]  # on the working folder, which is the repository


@dataclass(frozen=True)
class Scenario:
    """A name, the attack, the words of a command line or a stage's name alone, and the end."""

    name: str
    attack: Attack
    words: list[str]
    code: int = 2
    says: str = ""  # on the error stream


def scenarios(*found: Scenario | Iterable[Scenario]) -> pytest.MarkDecorator:
    """The parametrization of a test by a table of scenarios, or of tables."""
    rows = [row for one in found for row in ([one] if isinstance(one, Scenario) else one)]
    names = [row.name for row in rows]
    assert len(set(names)) == len(names), [name for name in names if names.count(name) > 1]
    return pytest.mark.parametrize("scenario", rows, ids=names)


class Arena:
    """A copy of a finished run, the working folder, in which one scenario takes place."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys

    def play(self, scenario: Scenario) -> str:
        """Attack, run, and see that it ends as it must; what it printed."""
        scenario.attack()
        before = list_files(self.root)
        self._capsys.readouterr()
        code = run(scenario.words)
        printed, said = self._capsys.readouterr()
        assert code == scenario.code, said
        assert scenario.says in said
        assert "Traceback" not in said
        after = list_files(self.root)
        assert not [path for path in after if ".partial" in path]
        if code:
            assert code != 2 or said.count("\n") == 1, said
            assert after == before
        else:
            assert before.keys() <= after.keys()
        return printed


def run(words: list[str]) -> int:
    """The exit code of a command, or of a stage if it is named alone."""
    if words[0] not in STAGE_PATHS:
        with pytest.raises(SystemExit) as end:
            main(words)
        return int(end.value.code or 0)
    stage = words[0]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", [stage, *(f"data/{path}" for path in STAGE_PATHS[stage])])
        runpy.run_path(str(ROOT / "stages" / f"{stage}.py"), run_name="__main__")
    return int(end.value.code or 0)


def list_files(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything in the repository but the state of runs."""
    status = {path: path.lstat() for path in root.rglob("*") if ".state" not in path.parts}
    return {
        str(path.relative_to(root)): (found.st_size, 0 if path.is_dir() else found.st_mtime_ns)
        for path, found in status.items()
    }


def leave_alone() -> None:
    """No attack."""


def each(*attacks: Attack) -> Attack:
    """One attack after the other."""

    def attack() -> None:
        for one in attacks:
            one()

    return attack


def put(path: str, content: bytes | str) -> Attack:
    """Write a file, whatever is there."""
    data = content.encode() if isinstance(content, str) else content

    def attack() -> None:
        remove(path)()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(data)

    return attack


def remove(path: str) -> Attack:
    """Remove a file or folder if it is there."""

    def attack() -> None:
        if Path(path).is_dir():
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)

    return attack


def link(path: str, target: str) -> Attack:
    return each(remove(path), lambda: Path(path).symlink_to(target))


def params(**sections: dict[str, Any]) -> Attack:
    """Set keys of params.yaml."""

    def attack() -> None:
        yaml = YAML()
        found = yaml.load(Path("params.yaml"))
        for name, values in sections.items():
            found.setdefault(name, {}).update(values)
        yaml.dump(found, Path("params.yaml"))

    return attack
