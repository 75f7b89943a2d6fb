"""One training outside DVC: a Dataset and a recipe -> answers about the validation part.

Answers are kept under `.state/`, and so is a training that was interrupted.
"""

import math
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.files import atomic_file
from captcha_tagger.base.places import state_folder
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.resume import ResumeFile, fingerprint
from captcha_tagger.metrics.sets import sigmoid
from captcha_tagger.network.inference import infer
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.training.params import FineTune, TrainHead
from captcha_tagger.training.phases import fine_tune, train_head
from captcha_tagger.training.start import start_tagger

FOLDER = Path("trials")
PHASES = ("train_head", "fine_tune")


class PhaseParams(Protocol):
    """The params of both phases, as in the whole of params.yaml."""

    @property
    def train_head(self) -> TrainHead: ...

    @property
    def fine_tune(self) -> FineTune: ...


@dataclass(frozen=True)
class TrialAnswers:
    """Logits and targets (images, labels) of the validation rows, the threshold, the rows, and the
    texts as read with their confidences (images,): none where the head does not read."""

    logits: NDArray[np.float32]
    targets: NDArray[np.float32]
    threshold: float
    rows: NDArray[np.int64]
    read: NDArray[np.str_]
    confidences: NDArray[np.float64]

    @property
    def probs(self) -> NDArray[np.float32]:
        return sigmoid(self.logits)


def answer(
    data: Dataset,
    backbone: Path,
    recipe: PhaseParams,
    machine: Machine,
    *,
    variant: str = "",
    every_seconds: float = math.inf,
) -> TrialAnswers:
    """Train and ask the validation part, or read what an earlier call of the same trial kept.

    `variant` says all that the recipe and the package's code do not.
    """
    settings = [
        variant,
        *(getattr(recipe, phase).model_dump() for phase in PHASES),
        str(machine),
        data.train.tolist(),
        data.validation.tolist(),
        [(row.text, row.pixels) for row in data.rows],
    ]
    files = [backbone / name for name in ("backbone.json", "weights.safetensors")]
    key = fingerprint("fine_tune", settings, files)
    path = state_folder() / FOLDER / f"{key}.npz"
    if not path.exists():
        resumes = [ResumeFile(phase, key, every_seconds=every_seconds) for phase in PHASES]
        model, _ = train(data, backbone, recipe, machine, resumes)
        _ask(model, data, machine, path)
        for resume in resumes:
            resume.remove()
    with np.load(path) as kept:
        return TrialAnswers(
            kept["logits"],
            data.targets[data.validation],
            float(kept["threshold"]),
            data.validation,
            kept["read"],
            kept["confidences"],
        )


def train(
    data: Dataset,
    backbone: Path,
    recipe: PhaseParams,
    machine: Machine,
    resumes: Sequence[ResumeFile],
) -> tuple[Tagger, list[dict[str, Any]]]:
    """Both phases, without a word, each with its resume file: the model, and a row an epoch."""
    for_head, for_all = resumes
    with redirect_stdout(StringIO()):
        model = start_tagger(backbone, data, recipe.train_head)
        head = train_head(model, data, recipe.train_head, machine, for_head)
        later = head.continued()
        fine_tune(model, data, recipe.fine_tune, machine, for_all, later)
    return model.eval(), [*head.epochs, *later.epochs]


def _ask(model: Tagger, data: Dataset, machine: Machine, path: Path) -> None:
    found = infer(model, data.validation_images(machine.device))
    readings = found.readings or []
    with atomic_file(path) as beside, beside.open("wb") as file:
        np.savez(
            file,
            logits=found.logits,
            threshold=model.card.threshold,
            read=np.array([one.text for one in readings], np.str_),
            confidences=np.array([one.confidence for one in readings], np.float64),
        )
