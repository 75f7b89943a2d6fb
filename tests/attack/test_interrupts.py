"""Ctrl-C, as a terminal sends it, to whole commands: a line, code 130, nothing half written."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from captcha_tagger.ingest.ingest import SERIAL_FILES
from tests.attack.scenario import STAGE_PATHS, Arena, list_files, params
from tests.hostile import png
from tests.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")]

CLI = ["-m", "captcha_tagger.commands.cli"]
COMMANDS = {
    **{
        stage: [f"{ROOT}/stages/{stage}.py", *(f"data/{path}" for path in paths)]
        for stage, paths in STAGE_PATHS.items()
    },
    **{
        words[0]: [*CLI, *words]
        for words in (
            ["predict", "images"],
            ["doubtful", "--out", "new.csv"],
            ["label", "images"],
            ["serve", "--port", "0"],
            ["adopt", "images", "--dry-run"],
            ["compare", "workspace", "HEAD"],
        )
    },
}
AFTER = [0.0, 0.1]  # seconds since the first imports
WAIT_SECONDS = 60

SAID, ERRORS = Path(".state/said"), Path(".state/errors")  # beside what is looked at

Reached = Callable[[psutil.Process], bool]


@pytest.fixture
def many(arena: Arena) -> Path:
    """A folder of so many images that all cores take part."""
    folder = arena.root / "many"
    folder.mkdir()
    for number in range(SERIAL_FILES + 1):
        (folder / f"a{number % 6}_{number}.png").write_bytes(png(number))
    return folder


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("after", AFTER)
def test_a_command_that_still_imports_ends_in_a_line(
    arena: Arena, command: str, after: float
) -> None:
    """Stages printed a traceback, and torch aborted the process."""
    before = list_files(arena.root)
    code, _, errors = interrupt(COMMANDS[command], has_imported_numpy, after)
    assert (code, errors.count("\n")) == (130, 1), errors
    assert errors.endswith(": interrupted\n")
    assert list_files(arena.root) == before


@pytest.mark.parametrize("after", [0.0, 0.1, 0.3])
def test_ingest_on_all_cores_ends_in_a_line_and_leaves_what_was_there(
    arena: Arena, many: Path, after: float
) -> None:
    """Each process that was still starting printed a traceback of its own."""
    params(ingest={"source": "many"})()
    before = list_files(arena.root)
    code, _, errors = interrupt(COMMANDS["ingest"], has_children, after)
    assert (code, errors) == (130, "ingest: interrupted\n")
    assert list_files(arena.root) == before


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_predict_ends_in_a_line_and_what_it_said_is_whole(
    arena: Arena, many: Path, words: list[str]
) -> None:
    code, said, errors = interrupt([*CLI, "predict", "many", *words], has_answered, 0)
    assert (code, errors) == (130, "captcha-tagger predict: interrupted\n")
    lines = said.splitlines()
    assert 0 < len(lines) < SERIAL_FILES
    assert len(lines) % 16 == 0  # whole batches
    assert all(line.endswith("}") if words else "many/a" in line for line in lines)


def interrupt(words: list[str], reached: Reached, after: float) -> tuple[int, str, str]:
    """Start a command, wait until it has come so far and then so many seconds, and send what Ctrl-C
    sends to its whole group. Exit code, output and errors."""
    SAID.parent.mkdir(exist_ok=True)
    with SAID.open("w") as said, ERRORS.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdout=said,
            stderr=errors,
            start_new_session=True,
            preexec_fn=hear_ctrl_c,
        )
    wait_until(reached, psutil.Process(process.pid))
    time.sleep(after)
    if process.poll() is not None:
        pytest.skip("a fast machine is done by then")
    os.killpg(process.pid, signal.SIGINT)
    code = process.wait(WAIT_SECONDS)
    if code == -signal.SIGINT and SAID.read_text() and not ERRORS.read_text():
        pytest.skip("a fast machine is done by then, and Python at its end hears no Ctrl-C")
    return code, SAID.read_text(), ERRORS.read_text()


def hear_ctrl_c() -> None:
    """Whoever was started in the background of a shell ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_until(reached: Reached, process: psutil.Process) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not reached(process):
        assert process.status() != psutil.STATUS_ZOMBIE
        assert time.monotonic() < end
        time.sleep(0.005)


def has_imported_numpy(process: psutil.Process) -> bool:
    return any("numpy" in place.path for place in process.memory_maps())


def has_answered(process: psutil.Process) -> bool:
    return SAID.stat().st_size > 0


def has_children(process: psutil.Process) -> bool:
    return len(process.children()) > 1
