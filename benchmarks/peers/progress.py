"""What a worker of benchmarks/training.py is told and says: a job in, a line of JSON an epoch out.

Standard library alone, so that it runs in every peer's environment.
"""

import json
import resource
import sys
import time
from collections import defaultdict
from importlib.metadata import version
from typing import Any

BYTES_A_MAXRSS = 1 if sys.platform == "darwin" else 1024


def read_job() -> dict[str, Any]:
    job: dict[str, Any] = json.load(sys.stdin)
    return job


class Progress:
    """Seconds since the parent started this process, and what they went on.

    Every worker laps `start-up` and `load`; what comes after them counts as training.
    """

    def __init__(self, started: float) -> None:
        self._started = self._lapped = started
        self._parts: dict[str, float] = defaultdict(float)

    def lap(self, part: str) -> None:
        """Charge the seconds since the last lap to a part."""
        now = time.time()
        self._parts[part] += now - self._lapped
        self._lapped = now

    def report_epoch(self, label_accuracy: float, exact_set: float) -> None:
        _say(seconds=self._elapsed(), label_accuracy=label_accuracy, exact_set=exact_set)

    def report_end(self, images: int, packages: list[str], **found: Any) -> None:
        """Say what it took, and what else was found; `images` is the number of images trained on,
        over all epochs."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        by_children = resource.getrusage(resource.RUSAGE_CHILDREN)
        _say(
            seconds=self._elapsed(),
            cpu_seconds=used.ru_utime + used.ru_stime + by_children.ru_utime + by_children.ru_stime,
            parts=self._parts,
            images=images,
            peak_mb=used.ru_maxrss * BYTES_A_MAXRSS / 1e6,
            versions=", ".join(f"{name} {version(name)}" for name in packages),
            **found,
        )

    def _elapsed(self) -> float:
        return time.time() - self._started


def _say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)
