"""How stages and trainings have their results recorded.

They write files and start processes that run `captcha_tagger.tracking.recorder`, so training never
notices what is wrong with a tracking server. Only the last stage waits for it, a minute at most.
"""

import os
import subprocess
import sys

from captcha_tagger.base.places import root_folder, source_folder, state_folder

WAIT_SECONDS = 60.0  # how long the last stage waits for a store


def record_soon(stage: str) -> None:
    """Copy the stage's outputs for the record, and have them recorded in the background."""
    _record("soon", stage)


def record_now(stage: str) -> None:
    """The same for the last stage: wait for the store, or say in one line that it failed."""
    process = _record("now", stage)
    try:
        failed = process is not None and process.wait(WAIT_SECONDS) != 0
    except subprocess.TimeoutExpired:
        failed = True
    if failed:
        reason = "the MLflow store did not take the record in time (see .state/record.log)"
        _say(stage, f"{reason}; nothing is lost, `make record` completes it")


def is_recorded() -> bool:
    """Whether DVC runs this stage and nobody has set CAPTCHA_TAGGER_RECORD=off."""
    return "DVC_STAGE" in os.environ and os.environ.get("CAPTCHA_TAGGER_RECORD") != "off"


def start_recorder(*words: str) -> "subprocess.Popen[str]":
    """Start the recorder, which outlives this process and needs nothing of a temporary copy.

    Its output ends as soon as it has copied what it needs; what it says there is why it could not.
    """
    state_folder().mkdir(parents=True, exist_ok=True)
    lasting = {"DVC_ROOT": str(root_folder()), "PYTHONPATH": str(source_folder())}
    with (state_folder() / "record.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "captcha_tagger.tracking.recorder", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env={**os.environ, **lasting},
        )


def wait_for_copies(process: "subprocess.Popen[str]") -> str:
    """Wait until the recorder needs this process and its files no more; returns what it said."""
    assert process.stdout is not None
    with process.stdout as said:
        return said.read().strip()


def _record(when: str, stage: str) -> "subprocess.Popen[str] | None":
    """Only what DVC runs is recorded: dvc.lock alone knows what made an output."""
    if not is_recorded():
        return None
    try:
        process = start_recorder(when, stage, str(os.getpid()))
        said = wait_for_copies(process)
    except OSError as error:
        said = str(error)
    if not said:
        return process
    _say(stage, f"not recorded: {said}; `make record` completes it")
    return None


def _say(stage: str, line: str) -> None:
    print(f"{stage}: {line}", file=sys.stderr)
