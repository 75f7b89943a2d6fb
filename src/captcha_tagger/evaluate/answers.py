"""What the final model answers on the validation part, kept for the page.

data/evaluate/answers/ <-> Answers. No torch: showing needs none.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.files import read_array, write_array
from captcha_tagger.data.readings import Reading, read_readings, write_readings

ROWS, LOGITS, EVIDENCE, READINGS = "rows.npy", "logits.npy", "evidence.npy", "readings.jsonl"


@dataclass(frozen=True)
class Answers:
    """Of each image its row in the manifest (images,), its logits (images, labels), evidence in
    0..1 (images, labels, rows, columns), and of models that read what they read."""

    rows: NDArray[np.int64]
    logits: NDArray[np.float32]
    evidence: NDArray[np.float16]
    readings: list[Reading] | None


def write_answers(answers: Answers, folder: Path) -> None:
    folder.mkdir()
    write_array(folder / ROWS, answers.rows)
    write_array(folder / LOGITS, answers.logits)
    write_array(folder / EVIDENCE, answers.evidence)
    if answers.readings is not None:
        write_readings(folder / READINGS, answers.readings)


def read_evidence(folder: Path) -> NDArray[np.float16]:
    return read_array(folder / EVIDENCE)


def read_texts(folder: Path) -> list[Reading] | None:
    """What the model read; none where it answers label sets alone."""
    path = folder / READINGS
    return read_readings(path) if path.exists() else None
