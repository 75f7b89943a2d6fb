"""Functions that tests run as tasks, and what they need."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from captcha_tagger.base.errors import InputError
from captcha_tagger.ingest.ingest import Asked, Judged, judge_batch
from captcha_tagger.predict.files import Outcome, answer_batches
from captcha_tagger.predict.named import File

POISON = -1


def double(batch: Sequence[int]) -> list[int]:
    """Twice each number; the poison ends its process."""
    if POISON in batch:
        os.kill(os.getpid(), signal.SIGKILL)
    return [2 * number for number in batch]


def name_process(batch: Sequence[int]) -> list[int]:
    time.sleep(0.05)
    return [os.getpid() for _ in batch]


def look_around() -> tuple[str, str | None]:
    return os.getcwd(), os.environ.get("OMP_NUM_THREADS")  # noqa: PTH109


def refuse(_: object) -> None:
    raise InputError("images: no such folder")


def die_once(marker: Path) -> str:
    """End the process of the first call."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def judge_poison(batch: Sequence[Asked], **keys: Any) -> Judged:
    """As ingest does, with a decoder that the images named poison end the process of."""
    if any("poison" in asked.listed.name for asked in batch):
        os.kill(os.getpid(), signal.SIGKILL)
    return judge_batch(batch, **keys)


def judge_on_a_node(batch: Sequence[Asked], **keys: Any) -> Judged:
    """As ingest does, but slowly, and says on which node of Ray: `nodes/ID`."""
    note_node()
    return judge_batch(batch, **keys)


def note_node() -> None:
    import ray

    Path("nodes").mkdir(exist_ok=True)
    Path("nodes", ray.get_runtime_context().get_node_id()).touch()
    time.sleep(0.2)


def judge_once_killed(batch: Sequence[Asked], **keys: Any) -> Judged:
    """As ingest does; the first process that comes to image 100 is killed over it."""
    if any(asked.listed.place == 100 for asked in batch):
        die_once(Path("killed"))
    return judge_batch(batch, **keys)


def answer_poison(batches: Sequence[Sequence[File]], **keys: Any) -> list[list[Outcome]]:
    """As predict does, with a decoder that images named poison end the process of."""
    if any("poison" in str(file) for files in batches for file in files):
        os.kill(os.getpid(), signal.SIGKILL)
    return answer_batches(batches, **keys)


def answer_once_killed(batches: Sequence[Sequence[File]], **keys: Any) -> list[list[Outcome]]:
    """As predict does; the first process that comes to image 040 is killed over it."""
    if any("040" in str(file) for files in batches for file in files):
        die_once(Path("killed"))
    return answer_batches(batches, **keys)


def answer_on_a_node(batches: Sequence[Sequence[File]], **keys: Any) -> list[list[Outcome]]:
    """As predict does, but slowly, and says on which node of Ray: `nodes/ID`."""
    note_node()
    return answer_batches(batches, **keys)
