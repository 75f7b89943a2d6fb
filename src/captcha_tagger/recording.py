"""How a stage tells the record what happened, without waiting for it.

Stages write files and start processes, nothing else: whatever is wrong with a tracking server,
training never notices. What runs there is `captcha_tagger.outbox` and `captcha_tagger.following`.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from captcha_tagger.files import read_json, write_json, write_table
from captcha_tagger.state import root_folder, source_folder, state_folder

PACKAGES = ("captcha-tagger", "dvc", "mlflow", "numpy", "torch", "torchvision")
WATCH_AFTER_SECONDS = 30.0  # a shorter training is recorded soon enough when it ends
PUBLISH_EVERY_SECONDS = 5.0
WAIT_SECONDS = 60.0  # how long the last stage waits for a store


def record_soon(stage: str) -> None:
    """Have the stage's outputs recorded in the background."""
    _post(stage, wait_seconds=0.0)


def record_now(stage: str) -> None:
    """Have the last stage's outputs recorded and wait for it, or say in one line that it failed."""
    _post(stage, wait_seconds=WAIT_SECONDS)


def _post(stage: str, *, wait_seconds: float) -> None:
    """Only what DVC runs is recorded: dvc.lock alone knows what made an output."""
    if _is_recorded():
        subprocess.run(
            [*_python("outbox"), "post", stage, str(os.getpid()), str(wait_seconds)], check=False
        )


def _is_recorded() -> bool:
    """Whether DVC runs this stage and nobody has set CAPTCHA_TAGGER_RECORD=off."""
    return "DVC_STAGE" in os.environ and os.environ.get("CAPTCHA_TAGGER_RECORD") != "off"


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", f"captcha_tagger.{module}"]


class Journal:
    """The facts and the history so far of one training, in `.state/live/STAGE/`.

    A training that is resumed goes on in the journal of the same key. Outside of DVC nothing is
    written, as nothing will be recorded.
    """

    def __init__(self, stage: str, key: str, tags: Mapping[str, str], *, on_gpu: bool) -> None:
        self._stage, self._on_gpu = stage, on_gpu
        self._is_kept = _is_recorded()
        self.folder = state_folder() / "live" / f"{stage}-{key}"
        known = self.folder / "facts.json"
        earlier = read_json(known)["wall_seconds"] if known.exists() else 0.0
        self._facts = {"tags": {**tags, **_versions()}, "pid": os.getpid()}
        self._started = time.monotonic() - earlier
        self._published = self._attempt = time.monotonic()
        self._follower: subprocess.Popen[bytes] | None = None

    def publish(self, steps: list[dict[str, Any]], epochs: list[dict[str, Any]]) -> None:
        """Write the history so far, at most every few seconds; long training gets a follower."""
        now = time.monotonic()
        if not self._is_kept or now - self._published < PUBLISH_EVERY_SECONDS:
            return
        self._published = now
        self._write_facts()
        for name, rows in (("steps", steps), ("epochs", epochs)):
            columns = list(rows[0]) if rows else []
            write_table(self.folder / f"{name}.csv", columns, (list(row.values()) for row in rows))
        if now - self._attempt >= WATCH_AFTER_SECONDS:
            self._follow()

    def close(self) -> None:
        """Write the final facts; the outputs hold the history from now on."""
        if self._is_kept:
            self._write_facts(done=True)

    def _write_facts(self, *, done: bool = False) -> None:
        seconds = time.monotonic() - self._started
        gpu_seconds = seconds if self._on_gpu else 0.0
        facts = {"wall_seconds": seconds, "gpu_seconds": gpu_seconds, "done": done}
        write_json(self.folder / "facts.json", {**self._facts, **facts})

    def _follow(self) -> None:
        """Start the process that carries the curves to the store while training goes on."""
        if self._follower is not None:
            return
        lasting = {"DVC_ROOT": str(root_folder()), "PYTHONPATH": str(source_folder())}
        with (state_folder() / "record.log").open("ab") as log:
            self._follower = subprocess.Popen(
                [*_python("following"), self._stage, str(self.folder), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **lasting},
            )


def _versions() -> dict[str, str]:
    found = {"version.python": platform.python_version(), "platform": platform.platform()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[f"version.{name}"] = version(name)
    return found
