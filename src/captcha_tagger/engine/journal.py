"""What a training tells the record while it runs: its facts and its history so far, as files."""

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from captcha_tagger.base.files import read_json, write_json, write_table
from captcha_tagger.base.places import root_folder, source_folder, state_folder
from captcha_tagger.base.record import is_recorded, python

PACKAGES = ("captcha-tagger", "dvc", "mlflow", "numpy", "torch", "torchvision")
WATCH_AFTER_SECONDS = 30.0  # a shorter training is recorded soon enough when it ends
PUBLISH_EVERY_SECONDS = 5.0


class Journal:
    """The facts and the history so far of one training, in `.state/live/STAGE/`.

    A training that is resumed goes on in the journal of the same key. Outside of DVC nothing is
    written, as nothing will be recorded.
    """

    def __init__(self, stage: str, key: str, tags: Mapping[str, str], *, on_gpu: bool) -> None:
        self._stage, self._on_gpu = stage, on_gpu
        self._is_kept = is_recorded()
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
                [*python("follow"), self._stage, str(self.folder), str(os.getpid())],
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
