"""One training stage around the epoch loop: resume, train, write the model and its history.

`train_head` and `fine_tune` differ only in the Plan and in the model that they start from.
"""

from collections.abc import Sequence
from pathlib import Path

from captcha_tagger.checkpoint import save_model
from captcha_tagger.compute import Machine
from captcha_tagger.dataset import Dataset
from captcha_tagger.files import atomic_folder, read_table, write_table
from captcha_tagger.fitting import Plan, fit
from captcha_tagger.model import Tagger
from captcha_tagger.resume import ResumeFile
from captcha_tagger.training import History

STEP_COLUMNS = ("step", "phase", "loss", "learning_rate")
EPOCH_COLUMNS = (
    "epoch", "step", "phase", "train_loss", "validation_loss", "label_accuracy", "exact_set",
    "micro_f1",
)  # fmt: skip


def train_phase(
    model: Tagger,
    data: Dataset,
    plan: Plan,
    machine: Machine,
    resume: ResumeFile,
    history: History,
) -> None:
    """Train in place on the data's training part; without training images the model stays."""
    model.to(machine.device)
    if len(data.train):
        fit(
            model,
            data.train_images(machine.device),
            data.validation_images(machine.device),
            plan,
            machine,
            resume,
            history,
        )


def write_phase(folder: Path, model: Tagger, history: History) -> None:
    """Write model/, steps.csv and epochs.csv of one phase."""
    with atomic_folder(folder) as beside:
        save_model(model, beside / "model")
        _write_rows(beside / "steps.csv", STEP_COLUMNS, history.steps)
        _write_rows(beside / "epochs.csv", EPOCH_COLUMNS, history.epochs)


def continue_history(folder: Path) -> History:
    """A new History whose numbers go on where those of an earlier phase ended."""
    steps, epochs = read_table(folder / "steps.csv"), read_table(folder / "epochs.csv")
    return History(
        first_step=int(steps[-1]["step"]) + 1 if steps else 0,
        first_epoch=int(epochs[-1]["epoch"]) if epochs else 0,
    )


def _write_rows(path: Path, columns: Sequence[str], rows: list[dict[str, object]]) -> None:
    write_table(path, columns, ([row[column] for column in columns] for row in rows))
