"""What trainings outside DVC start from: a folder as a Dataset, parts of it, and params changed."""

import argparse
import hashlib
import math
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from captcha_tagger.data.dataset import Dataset, load_unsplit
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.ingest.ingest import ingest
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.params import Params
from captcha_tagger.review import trial
from captcha_tagger.review.folds import part
from captcha_tagger.review.trial import PHASES

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


def load_images(source: Path, params: Params) -> Dataset:
    """Ingest a folder beside the pipeline's own data; all rows are in the training part."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        ingest(source, params.ingest, folder)
        data = load_unsplit(folder)
        return replace(data, pixels=np.array(data.pixels))


def set_aside(data: Dataset) -> tuple[Dataset, NDArray[np.int64]]:
    """The data without its 100 images of the smallest name hash, and the rows of those."""
    names = [hashlib.sha256(Path(row.file).name.encode()).hexdigest() for row in data.rows]
    order = np.argsort(names, kind="stable")
    return replace(data, train=np.sort(order[SET_ASIDE:])), np.sort(order[:SET_ASIDE])


def split(data: Dataset, params: Params) -> Dataset:
    """The data with its training part split anew, as the split stage would."""
    return part(data, params.split)


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
    """Both phases, always anew: the model, and a row for each epoch."""
    resumes = [
        ResumeFile(phase, f"trial-{os.getpid()}", every_seconds=math.inf) for phase in PHASES
    ]
    for resume in resumes:
        resume.remove()
    trained = trial.train(data, backbone, params, machine, resumes)
    for resume in resumes:
        resume.remove()
    return trained
