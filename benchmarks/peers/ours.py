"""Our two phases in one process, from image files to a saved model.

A worker of benchmarks/training.py, in the project's own environment.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from progress import Progress, read_job

from captcha_tagger.backbone.params import Backbone
from captcha_tagger.backbone.weights import random_weights
from captcha_tagger.base.files import write_json
from captcha_tagger.data.dataset import Dataset, load_dataset
from captcha_tagger.data.manifest import read_manifest
from captcha_tagger.engine.compute import set_up
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.ingest.ingest import ingest
from captcha_tagger.network.backbone_folder import BackboneCard, save_backbone
from captcha_tagger.network.card import Architecture
from captcha_tagger.network.inference import infer
from captcha_tagger.params import Params
from captcha_tagger.training import fitting
from captcha_tagger.training.phases import augment_samples, fine_tune, train_head, write_phase
from captcha_tagger.training.start import start_tagger

TIMED: dict[str, Callable[..., Any]] = {
    "build_optimizer": fitting.build_optimizer,
    "score": fitting.score,
}


class Stamps(ResumeFile):
    """A resume file that starts anew, times what happens between its calls, and reports epochs."""

    def __init__(self, progress: Progress, phase: str, *, every_seconds: float) -> None:
        super().__init__(phase, f"benchmark-{os.getpid()}", every_seconds=every_seconds)
        self._progress, self._steps = progress, f"{phase} steps"
        self._num_epochs = 0
        self._time("build_optimizer", before="load", part="optimizer")
        self._time("score", before=self._steps, part="validation")

    def load(self) -> None:
        self._progress.lap("backbone features")  # the last thing before the first step

    def save(self, state: dict[str, Any]) -> None:
        self._progress.lap(self._steps)
        super().save(state)
        self._progress.lap("save")
        epochs = state["history"]["epochs"]
        if len(epochs) > self._num_epochs:
            self._num_epochs = len(epochs)
            report_epoch(self._progress, epochs[-1])

    def _time(self, name: str, *, before: str, part: str) -> None:
        """Have `fitting` call a function of TIMED between two laps."""

        def call(*args: Any) -> Any:
            self._progress.lap(before)
            result = TIMED[name](*args)
            self._progress.lap(part)
            return result

        setattr(fitting, name, call)


def main() -> None:
    job = read_job()
    progress = Progress(job["started"])
    progress.lap("start-up")
    params = Params.model_validate(job["settings"])
    with tempfile.TemporaryDirectory() as name:
        train(job, params, Path(name), progress)


def train(job: dict[str, Any], params: Params, out: Path, progress: Progress) -> None:
    """What the stages ingest, train_head and fine_tune do, then the final model's scores."""
    machine = set_up(params.compute)
    data = load_images(job, params, out)
    model = start_tagger(find_backbone(job, params.backbone, out), data, params.train_head)
    if params.fine_tune.threshold != "auto":
        model.set_threshold(params.fine_tune.threshold)
    progress.lap("load")

    every = params.compute.save_every_seconds
    resume = Stamps(progress, "train_head", every_seconds=every)
    head = train_head(model, data, params.train_head, machine, resume)
    write_phase(out / "train_head", model, head)
    resume.remove()
    progress.lap("save")

    resume = Stamps(progress, "fine_tune", every_seconds=every)
    history = head.continued()
    fine_tune(model, data, params.fine_tune, machine, resume, history)
    progress.lap("threshold")
    infer(model, data.validation_images(machine.device))
    progress.lap("answers")
    write_phase(out / "fine_tune", model, history, augment_samples(data, params.fine_tune))
    resume.remove()
    progress.lap("save")

    scores = TIMED["score"](model, data.validation_images(machine.device))
    progress.lap("validation")
    report_epoch(progress, scores)
    num_epochs = len(head.epochs) + len(history.epochs)
    progress.report_end(num_epochs * len(data.train), ["torch"])


def load_images(job: dict[str, Any], params: Params, out: Path) -> Dataset:
    """Ingest the folder, and part it as the parent has."""
    ingest(Path(job["folder"]), params.ingest, out)
    rows = {row.file: index for index, row in enumerate(read_manifest(out / "manifest.jsonl"))}
    parts = {part: [rows[file] for file, _ in job[part]] for part in ("train", "validation")}
    write_json(out / "parts.json", parts)
    return load_dataset(out, out)


def find_backbone(job: dict[str, Any], params: Backbone, out: Path) -> Path:
    """The given backbone, or a random one."""
    if params.source != "random":
        return Path(job["backbone"])
    architecture = Architecture(
        name=params.architecture,
        output_stride=params.output_stride,
        dropped_stages=params.dropped_stages,
    )
    card = BackboneCard(architecture=architecture, source="random", alphabet=[])
    save_backbone(card, random_weights(architecture, params.seed), out / "backbone")
    return out / "backbone"


def report_epoch(progress: Progress, scores: dict[str, float]) -> None:
    progress.report_epoch(scores["label_accuracy"], scores["exact_set"])


if __name__ == "__main__":
    main()
