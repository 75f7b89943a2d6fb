"""One training outside DVC: a Dataset and params -> the validation part's answers, kept on disk."""

import argparse
import hashlib
import os
from collections.abc import Collection, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from captcha_tagger.base.files import atomic_file, write_json
from captcha_tagger.base.places import state_folder
from captcha_tagger.commands.params import Params
from captcha_tagger.data.dataset import Dataset, load_dataset
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.resume import ResumeFile, fingerprint
from captcha_tagger.ingest.ingest import ingest
from captcha_tagger.metrics.sets import sigmoid
from captcha_tagger.network.inference import infer
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.split.splitting import group_rows, split_rows
from captcha_tagger.training.phases import fine_tune, train_head
from captcha_tagger.training.start import start_tagger

FOLDS = 5
ORIGINAL_HEAD: dict[str, object] = {  # the original's head, epochs and rates
    "train_head.head": "concat",
    "train_head.epochs": 5,
    "fine_tune.epochs": 15,
    "fine_tune.learning_rates": [0.001, 0.01],
    "fine_tune.ema_decay": 0.0,
}
ORIGINAL: dict[str, object] = {  # `make original BACKBONE=random`
    **ORIGINAL_HEAD,
    "backbone.source": "random",
    "backbone.architecture": "resnet18",
    "backbone.output_stride": 32,
    "train_head.learning_rate": 5e-2,
    "train_head.batch_size": 64,
    "train_head.augment": True,
    "fine_tune.batch_size": 64,
    "fine_tune.threshold": 0.2,
}
SET_ASIDE = 100
FOLDER = Path("quality")


@dataclass(frozen=True)
class Answers:
    """Logits and targets (images, labels) of the validation rows, the threshold, the rows, and the
    texts as read (images,): none where the head does not read."""

    logits: NDArray[np.float32]
    targets: NDArray[np.float32]
    threshold: float
    rows: NDArray[np.int64]
    read: NDArray[np.str_]

    @property
    def probs(self) -> NDArray[np.float32]:
        return sigmoid(self.logits)


def load_images(source: Path, params: Params) -> Dataset:
    """Ingest a folder beside the pipeline's own data; all rows are in the training part."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        ingest(source, params.ingest, folder)
        write_json(folder / "parts.json", {"train": [], "validation": []})
        data = load_dataset(folder, folder)
        return replace(data, pixels=np.array(data.pixels), train=np.arange(len(data.rows)))


def set_aside(data: Dataset) -> tuple[Dataset, NDArray[np.int64]]:
    """The data without its 100 images of the smallest name hash, and the rows of those."""
    names = [hashlib.sha256(Path(row.file).name.encode()).hexdigest() for row in data.rows]
    order = np.argsort(names, kind="stable")
    return replace(data, train=np.sort(order[SET_ASIDE:])), np.sort(order[:SET_ASIDE])


def split(data: Dataset, params: Params) -> Dataset:
    """The data with its training part split anew, as the split stage would."""
    chosen = data.train
    rows = [data.rows[row] for row in chosen]
    groups = group_rows([row.text for row in rows], [row.pixels for row in rows])
    parts = split_rows(data.targets[chosen], groups, params.split)
    return replace(data, train=chosen[parts.train], validation=chosen[parts.validation])


def with_seed(params: Params, seed: int, **parting: object) -> Params:
    """The params with another seed for the split and both phases, and other values of `split`."""
    changes = {f"{section}.seed": seed for section in ("split", "train_head", "fine_tune")}
    return change(params, changes | {f"split.{key}": value for key, value in parting.items()})


def change(params: Params, changes: Mapping[str, object]) -> Params:
    """The params with other values of `section.key`."""
    content = params.model_dump()
    for name, value in changes.items():
        section, _, key = name.partition(".")
        content[section][key] = value
    return Params.model_validate(content)


def parse_changes(words: list[str]) -> dict[str, object]:
    """`section.key=value` each, the values as YAML writes them."""
    yaml = YAML(typ="safe", pure=True)
    pairs = [word.partition("=") for word in words]
    return {name: yaml.load(value) for name, _, value in pairs}


def parse_names(text: str, known: Collection[str]) -> list[str]:
    """Names with commas between them, for argparse; one that is not known is an error."""
    names = text.split(",")
    if unknown := set(names) - set(known):
        raise argparse.ArgumentTypeError(f"no {', '.join(unknown)} among {', '.join(known)}")
    return names


def train(
    data: Dataset, backbone: Path, params: Params, machine: Machine
) -> tuple[Tagger, list[dict[str, Any]]]:
    """Both phases, without a word: the model, and a row for each epoch."""
    resume = ResumeFile(f"trial-{os.getpid()}", "unused", every_seconds=float("inf"))
    resume.remove()
    with redirect_stdout(StringIO()):
        model = start_tagger(backbone, data, params.train_head)
        head = train_head(model, data, params.train_head, machine, resume)
        resume.remove()
        later = head.continued()
        fine_tune(model, data, params.fine_tune, machine, resume, later)
        resume.remove()
    return model.eval(), [*head.epochs, *later.epochs]


def answer(
    data: Dataset, backbone: Path, params: Params, machine: Machine, *, variant: str = ""
) -> Answers:
    """Train and ask the validation part, or read what an earlier call of the same trial kept.

    `variant` says all that params and the package's code do not.
    """
    settings = [
        variant,
        params.train_head.model_dump(),
        params.fine_tune.model_dump(),
        params.compute.model_dump(),
        data.train.tolist(),
        data.validation.tolist(),
        [row.text for row in data.rows],
    ]
    key = fingerprint("fine_tune", settings, [backbone / "weights.safetensors"])
    path = state_folder() / FOLDER / f"{key}.npz"
    if not path.exists():
        model, _ = train(data, backbone, params, machine)
        found = infer(model, data.validation_images(machine.device))
        read = np.array([one.text for one in found.readings or []], np.str_)
        with atomic_file(path) as beside, beside.open("wb") as file:
            np.savez(file, logits=found.logits, read=read, threshold=model.card.threshold)
    with np.load(path) as kept:
        return Answers(
            kept["logits"],
            data.targets[data.validation],
            float(kept["threshold"]),
            data.validation,
            kept["read"],
        )
