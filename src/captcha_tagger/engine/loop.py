"""The optimisation loop that pretraining, head training and fine-tuning share.

Gradients (step -> loss, once they lie in the model) and an optimizer -> a trained model and its
history. All randomness is a function of (seed, step), so the state to resume from is weights, their
average, optimizer and the step number.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from captcha_tagger.base.errors import NonFiniteLossError
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.engine.schedule import one_cycle

STEPS_A_REPORT = 10  # so that the progress bar seldom waits for the device


@dataclass
class History:
    """What was measured: a row per step and a row per epoch, numbered over both phases."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    first_step: int = 0
    first_epoch: int = 0

    def continued(self) -> "History":
        """A new history whose numbers go on where those of this one end."""
        return History(
            first_step=self.first_step + len(self.steps),
            first_epoch=self.first_epoch + len(self.epochs),
        )


@dataclass(frozen=True)
class Phase:
    """How long to train, what to call it, and what to end with.

    With an `ema_decay` above 0 that is the exponential moving average of weights and BatchNorm's
    statistics, which spans about 1 / (1 - ema_decay) steps and starts with those of the first.
    Source: Kingma and Ba, "Adam" (2014), section 7.2, without its bias correction: in few steps
    the average stays near to where it started, so that little of a pretraining is forgotten.
    """

    name: str
    epochs: int
    steps_per_epoch: int
    ema_decay: float = 0.0


def optimize(
    model: nn.Module,
    gradients: Callable[[int], Tensor],
    optimizer: torch.optim.Optimizer,
    phase: Phase,
    resume: ResumeFile,
    history: History,
    score_epoch: Callable[[Any], dict[str, float]],
    observe: Callable[[], None] = lambda: None,
) -> None:
    """Train the model in place through all epochs, going on from the resume file if there is one.

    `gradients` leaves those of a step in the model's parameters and returns its loss.
    `score_epoch` is given, after each epoch, the model as it would end there; what it returns joins
    the epoch's row of the history.
    `observe` runs whenever the history so far is saved, so a resumed run never contradicts it.
    Raises NonFiniteLossError, leaving the last good state in the resume file.
    """
    run = _Run(model, gradients, optimizer, phase, history)
    state = resume.load()
    if state is not None:
        run.restore(state)
    for epoch in range(len(history.epochs), phase.epochs):
        with tqdm(
            total=phase.steps_per_epoch,
            initial=run.step - epoch * phase.steps_per_epoch,
            desc=f"{phase.name} {epoch + 1}/{phase.epochs}",
            leave=False,
            disable=None,
        ) as bar:
            while run.step < (epoch + 1) * phase.steps_per_epoch:
                run.take_step()
                bar.update()
                if not bar.disable and bar.n % STEPS_A_REPORT == 0:
                    bar.set_postfix(loss=f"{run.last_loss():.4f}")
                if resume.is_due():
                    run.read_losses()
                    resume.save(run.state())
                    observe()
        run.read_losses()
        run.close_epoch(score_epoch(run.outcome))
        resume.save(run.state())
        observe()
    run.finish()


class _Run:
    """The moving parts of one `optimize`."""

    def __init__(
        self,
        model: nn.Module,
        gradients: Callable[[int], Tensor],
        optimizer: torch.optim.Optimizer,
        phase: Phase,
        history: History,
    ) -> None:
        self.model, self.gradients, self.optimizer = model, gradients, optimizer
        self.phase, self.history = phase, history
        self.step = 0
        self.average: AveragedModel | None = None
        if phase.ema_decay:
            update = get_ema_multi_avg_fn(phase.ema_decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
        self._unread: list[Tensor] = []  # losses still on the device: reading one waits for it

    def take_step(self) -> None:
        set_rates(self.optimizer, self.step, self.phase.epochs * self.phase.steps_per_epoch)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.gradients(self.step)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self._unread.append(loss)
        row = {
            "step": self.history.first_step + self.step,
            "phase": self.phase.name,
            "loss": math.nan,
            "learning_rate": max(group["lr"] for group in self.optimizer.param_groups),
        }
        self.history.steps.append(row)
        self.step += 1

    @property
    def outcome(self) -> nn.Module:
        """What the model would be if training ended here."""
        return self.model if self.average is None else self.average.module

    def last_loss(self) -> float:
        """The loss of the step just taken; waits for the device."""
        return self._unread[-1].item()

    def read_losses(self) -> None:
        """Fill in the losses of the steps since the last reading; stop at one that is no number."""
        if not self._unread:
            return
        rows = self.history.steps[-len(self._unread) :]
        for row, loss in zip(rows, torch.stack(self._unread).tolist(), strict=True):
            if not math.isfinite(loss):
                epoch = (row["step"] - self.history.first_step) // self.phase.steps_per_epoch + 1
                raise NonFiniteLossError(
                    f"the loss is {loss} in epoch {epoch} at step {row['step']} with learning "
                    f"rate {row['learning_rate']:.3g}; try a lower learning rate"
                )
            row["loss"] = loss
        self._unread.clear()
        self._check_weights(rows[-1])

    def _check_weights(self, row: dict[str, Any]) -> None:
        """Stop before weights are saved that an overflow has spoilt after a loss still finite."""
        state = self.model.state_dict().values()
        sums = torch.stack([tensor.sum() for tensor in state if tensor.is_floating_point()])
        if not torch.isfinite(sums).all():
            raise NonFiniteLossError(
                f"the weights are no numbers any more after step {row['step']} with learning rate "
                f"{row['learning_rate']:.3g}; try a lower learning rate"
            )

    def close_epoch(self, scores: dict[str, float]) -> None:
        last = self.history.steps[-self.phase.steps_per_epoch :]
        row = {
            "epoch": self.history.first_epoch + len(self.history.epochs) + 1,
            "step": last[-1]["step"],
            "phase": self.phase.name,
            "train_loss": math.fsum(step["loss"] for step in last) / len(last),
            **scores,
        }
        self.history.epochs.append(row)
        print(_describe(row))

    def finish(self) -> None:
        if self.outcome is not self.model:
            self.model.load_state_dict(self.outcome.state_dict())

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "history": asdict(self.history),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.history.steps[:] = state["history"]["steps"]
        self.history.epochs[:] = state["history"]["epochs"]
        print(f"{self.phase.name.replace('_', ' ')}: going on after step {self.step}")


def backward(objective: Callable[[int], Tensor]) -> Callable[[int], Tensor]:
    """Gradients of the whole of a step's loss at once."""

    def gradients(step: int) -> Tensor:
        loss = objective(step)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    return gradients


def set_rates(optimizer: torch.optim.Optimizer, step: int, num_steps: int) -> None:
    """Give every layer group its learning rate for the step."""
    share = one_cycle(step, num_steps)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def mix(seed: int, step: int) -> int:
    """A well-spread 63-bit seed for one step: the finalizer of SplitMix64.

    Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014).
    """
    value = (seed * 0x9E3779B97F4A7C15 + step + 1) & (2**64 - 1)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return (value ^ (value >> 31)) >> 1


def _describe(row: dict[str, Any]) -> str:
    scores = [f"{name} {value:.4f}" for name, value in row.items() if isinstance(value, float)]
    return f"{row['phase']} epoch {row['epoch']}: {', '.join(scores)}".replace("_", " ")
