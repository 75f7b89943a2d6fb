"""What the final model answers on the validation part: fine_tune asks it, evaluate counts.

data/fine_tune/answers/ <-> Answers. No torch: counting needs none.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.files import read_array, write_array

LOGITS = "logits.npy"
EVIDENCE = "evidence.npy"


@dataclass(frozen=True)
class Answers:
    """Logits (images, labels) and evidence in 0..1 (images, labels, rows, columns), in order."""

    logits: NDArray[np.float32]
    evidence: NDArray[np.float16]


def write_answers(answers: Answers, folder: Path) -> None:
    folder.mkdir()
    write_array(folder / LOGITS, answers.logits)
    write_array(folder / EVIDENCE, answers.evidence)


def read_logits(folder: Path) -> NDArray[np.float32]:
    return read_array(folder / LOGITS)


def read_evidence(folder: Path) -> NDArray[np.float16]:
    return read_array(folder / EVIDENCE)
