"""The two training phases: the head on a frozen backbone, then everything.

A Dataset and where to start from -> a trained Tagger and its History, written to data/train_head/
or data/fine_tune/.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from captcha_tagger.base.files import atomic_folder, read_table, write_array, write_table
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.data.pixels import Pixels
from captcha_tagger.data.sheet import pick_samples
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.journal import Journal
from captcha_tagger.engine.loop import History
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.engine.schedule import spread
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.training.augmentation import augment
from captcha_tagger.training.fitting import fit
from captcha_tagger.training.length import choose_epochs
from captcha_tagger.training.objective import Plan
from captcha_tagger.training.params import FineTune, TrainHead
from captcha_tagger.training.threshold import choose_threshold

STEP_COLUMNS = ("step", "phase", "loss", "learning_rate")
EPOCH_COLUMNS = (
    "epoch", "step", "phase", "train_loss", "validation_loss", "label_accuracy", "exact_set",
    "micro_f1", "text_accuracy", "character_error_rate",
)  # fmt: skip


def train_head(
    model: Tagger, data: Dataset, params: TrainHead, machine: Machine, resume: ResumeFile
) -> History:
    """Train the head in place, the backbone frozen; without training images nothing changes."""
    plan = Plan(
        phase="train_head",
        epochs=params.epochs,
        batch_size=params.batch_size,
        learning_rates=[params.learning_rate] * len(model.layer_groups()),
        weight_decay=params.weight_decay,
        augment=params.augment,
        seed=params.seed,
        frozen=True,
        shards=params.shards,
    )
    return _train(model, data, plan, machine, resume, History())


def fine_tune(
    model: Tagger,
    data: Dataset,
    params: FineTune,
    machine: Machine,
    resume: ResumeFile,
    history: History,
) -> History:
    """Train everything in place, then choose the threshold; numbers go on from `history`."""
    first, head = params.learning_rates
    plan = Plan(
        phase="fine_tune",
        epochs=_count_epochs(model, data, params, machine),
        batch_size=params.batch_size,
        learning_rates=spread(first, head, len(model.layer_groups())),
        weight_decay=params.weight_decay,
        augment=params.augment,
        seed=params.seed,
        frozen=False,
        ema_decay=params.ema_decay,
        shards=params.shards,
    )
    _train(model, data, plan, machine, resume, history)
    if params.threshold != "auto":
        model.set_threshold(params.threshold)
    elif len(data.train):
        train = data.train_images(machine.device)
        model.set_threshold(choose_threshold(model, train, params.seed))
    return history


def augment_samples(data: Dataset, params: FineTune) -> Pixels:
    """The training images of the sample sheet as fine-tuning sees them; none if it changes none.

    Uint8 (images, channels, height, width), rounded for people to look at.
    """
    rows = pick_samples(data.train.tolist()) if params.augment else []
    pixels = torch.from_numpy(data.pixels[rows])
    generator = torch.Generator().manual_seed(params.seed)
    return augment(pixels, generator).round().to(torch.uint8).numpy() if rows else pixels.numpy()


def write_phase(
    folder: Path,
    model: Tagger,
    history: History,
    augmented: Pixels | None = None,
) -> None:
    """Write model/, steps.csv and epochs.csv of one phase, and augmented.npy if there is any."""
    with atomic_folder(folder) as beside:
        if augmented is not None:
            write_array(beside / "augmented.npy", augmented)
        save_model(model, beside / "model")
        _write_rows(beside / "steps.csv", STEP_COLUMNS, history.steps)
        _write_rows(beside / "epochs.csv", EPOCH_COLUMNS, history.epochs)


def continue_history(folder: Path) -> History:
    """A new History whose numbers go on where those of the phase in the folder end."""
    return History(read_table(folder / "steps.csv"), read_table(folder / "epochs.csv")).continued()


def _count_epochs(model: Tagger, data: Dataset, params: FineTune, machine: Machine) -> int:
    if params.epochs != "auto":
        return params.epochs
    if not len(data.train):
        return 0
    return choose_epochs(model.to(machine.device), data, params.batch_size, machine.device)


def _train(
    model: Tagger,
    data: Dataset,
    plan: Plan,
    machine: Machine,
    resume: ResumeFile,
    history: History,
) -> History:
    model.to(machine.device)
    on_gpu = machine.device.type == "cuda"
    tags = machine.describe()
    with Journal(plan.phase, resume.key, tags, epochs=plan.epochs, on_gpu=on_gpu) as journal:
        if len(data.train):
            fit(
                model,
                data.train_images(machine.device),
                data.validation_images(machine.device),
                plan,
                machine,
                resume,
                history,
                observe=lambda: journal.publish(history.steps, history.epochs),
            )
    return history


def _write_rows(path: Path, columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
    """The columns that the rows have: heads that do not read have no scores of texts."""
    kept = [column for column in columns if all(column in row for row in rows)]
    write_table(path, kept, ([row[column] for column in kept] for row in rows))
