"""What the final model answers on the validation part, kept for the page.

data/evaluate/answers/ <-> Answers. No torch: showing needs none.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.files import read_array, write_array

ROWS, LOGITS, EVIDENCE = "rows.npy", "logits.npy", "evidence.npy"


@dataclass(frozen=True)
class Answers:
    """Of each image its row in the manifest (images,), its logits (images, labels), and evidence
    in 0..1 (images, labels, rows, columns)."""

    rows: NDArray[np.int64]
    logits: NDArray[np.float32]
    evidence: NDArray[np.float16]


def write_answers(answers: Answers, folder: Path) -> None:
    folder.mkdir()
    write_array(folder / ROWS, answers.rows)
    write_array(folder / LOGITS, answers.logits)
    write_array(folder / EVIDENCE, answers.evidence)


def read_evidence(folder: Path) -> NDArray[np.float16]:
    return read_array(folder / EVIDENCE)
