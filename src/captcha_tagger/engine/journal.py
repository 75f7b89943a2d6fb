"""What a training tells the record while it runs: its facts and its history so far, as files."""

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from captcha_tagger.base.files import read_json, write_json, write_table
from captcha_tagger.base.places import state_folder
from captcha_tagger.base.record import is_recorded, start_recorder, wait_for_copies

FOLLOW_AFTER_SECONDS = 30.0  # a shorter training is recorded soon enough when it ends
PUBLISH_EVERY_SECONDS = 5.0


class Journal:
    """The facts and the history so far of one training, in `.state/live/STAGE-KEY/`.

    A context: how the block ends is how the training ended. One that is resumed goes on in the
    journal of the same key. Outside of DVC nothing is written, as nothing will be recorded, and a
    disk that does not take it stops no training.
    """

    def __init__(
        self, stage: str, key: str, tags: Mapping[str, str], *, epochs: int, on_gpu: bool
    ) -> None:
        self.folder = state_folder() / "live" / f"{stage}-{key}"
        self._on_gpu, self._is_kept = on_gpu, is_recorded()
        earlier = read_facts(self.folder)
        now = time.time_ns() // 1_000_000
        self._facts = {
            "pid": os.getpid(),
            "epochs": epochs,
            "resumed": now,
            "started": earlier.get("started", now),
            "tags": dict(tags),
        }
        self._began = time.monotonic() - earlier.get("wall_seconds", 0.0)
        self._published = self._followed = time.monotonic()
        self._follower: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        """Write the final facts; of a training that fails nobody else will tell the record."""
        if not self._is_kept:
            return
        with suppress(OSError):
            if kind is None:
                self._write_facts("FINISHED")
                return
            self._write_facts("KILLED" if kind is KeyboardInterrupt else "FAILED")
            wait_for_copies(start_recorder("follow", str(self.folder)))

    def publish(self, steps: list[dict[str, Any]], epochs: list[dict[str, Any]]) -> None:
        """Write the history so far, at most every few seconds; long training gets a follower."""
        now = time.monotonic()
        if not self._is_kept or now - self._published < PUBLISH_EVERY_SECONDS:
            return
        self._published = now
        with suppress(OSError):
            self._write_facts("RUNNING")
            for name, rows in (("steps", steps), ("epochs", epochs)):
                columns, cells = list(rows[0]) if rows else [], (list(row.values()) for row in rows)
                write_table(self.folder / f"{name}.csv", columns, cells)
            if self._follower is None and now - self._followed >= FOLLOW_AFTER_SECONDS:
                self._follower = start_recorder("follow", str(self.folder))

    def _write_facts(self, status: str) -> None:
        seconds = time.monotonic() - self._began
        spent = {"wall_seconds": seconds, "gpu_seconds": seconds if self._on_gpu else 0.0}
        write_json(self.folder / "facts.json", {**self._facts, **spent, "status": status})


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts that a journal has told; none where they are missing, cut off or foreign."""
    try:
        facts: dict[str, Any] = read_json(folder / "facts.json")
        float(facts["wall_seconds"]), int(facts["started"]), dict(facts["tags"]), facts["status"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return facts
