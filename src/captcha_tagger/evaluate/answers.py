"""What the final model answers on the validation part, kept for the page.

data/evaluate/answers/ <-> Answers. No torch: showing needs none.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.files import read_array, write_array
from captcha_tagger.data.readings import Reading, read_readings, write_readings

ROWS, LOGITS, SHOWN, EVIDENCE = "rows.npy", "logits.npy", "shown.npy", "evidence.npy"
READINGS = "readings.jsonl"


@dataclass(frozen=True)
class Answers:
    """Of each image its row in the manifest (images,), its logits (images, labels), and of models
    that read what they read; of the images shown, by their sorted positions among these (shown,),
    the evidence in 0..1 (shown, labels, rows, columns), which all together would fill memory."""

    rows: NDArray[np.int64]
    logits: NDArray[np.float32]
    shown: NDArray[np.int64]
    evidence: NDArray[np.float16]
    readings: list[Reading] | None


def write_answers(answers: Answers, folder: Path) -> None:
    folder.mkdir()
    write_array(folder / ROWS, answers.rows)
    write_array(folder / LOGITS, answers.logits)
    write_array(folder / SHOWN, answers.shown)
    write_array(folder / EVIDENCE, answers.evidence)
    if answers.readings is not None:
        write_readings(folder / READINGS, answers.readings)


def read_evidence(folder: Path) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """The positions of the images shown, and their evidence."""
    return read_array(folder / SHOWN), read_array(folder / EVIDENCE)


def read_texts(folder: Path) -> list[Reading]:
    """What the model read; nothing where it answers label sets alone."""
    path = folder / READINGS
    return read_readings(path) if path.exists() else []
