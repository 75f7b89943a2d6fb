"""The epoch loop that head training and fine-tuning share.

All randomness is a function of (seed, step), so the state to resume from is weights, optimizer
and the step number.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from captcha_tagger.augmentation import augment
from captcha_tagger.compute import Machine
from captcha_tagger.images import RESIDENT_BYTES, LabelledImages
from captcha_tagger.inference import infer
from captcha_tagger.metrics import exact_set, label_accuracy, micro_f1
from captcha_tagger.model import Tagger
from captcha_tagger.resume import ResumeFile
from captcha_tagger.schedule import one_cycle

BETAS = (0.9, 0.99)  # fastai's


class NonFiniteLossError(RuntimeError):
    """The loss is no longer a number; says where, and what to try."""


@dataclass(frozen=True)
class Plan:
    """One phase of training; `learning_rates` are the peaks of the model's layer groups."""

    phase: str
    epochs: int
    batch_size: int
    learning_rates: list[float]
    weight_decay: float
    augment: bool
    seed: int
    frozen: bool


@dataclass
class History:
    """What was measured: a row per step and a row per epoch, numbered over both phases."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    first_step: int = 0
    first_epoch: int = 0


def fit(
    model: Tagger,
    train: LabelledImages,
    validation: LabelledImages,
    plan: Plan,
    machine: Machine,
    resume: ResumeFile,
    history: History,
    observe: Callable[[History], None] = lambda history: None,
) -> None:
    """Train the model in place; `observe` is called after every epoch.

    Raises NonFiniteLossError, leaving the last good state in the resume file.
    """
    loop = _Loop(model, train, plan, machine)
    state = resume.load()
    if state is not None:
        loop.restore(state, history)
    for epoch in range(loop.step // loop.steps_per_epoch, plan.epochs):
        with tqdm(
            total=loop.steps_per_epoch,
            initial=loop.step % loop.steps_per_epoch,
            desc=f"{plan.phase} {epoch + 1}/{plan.epochs}",
            leave=False,
            disable=None,
        ) as bar:
            while loop.step < (epoch + 1) * loop.steps_per_epoch:
                loop.take_step(history)
                bar.update()
                if resume.is_due():
                    loop.check(history)
                    resume.save(loop.state(history))
        loop.check(history)
        history.epochs.append(_score_epoch(model, validation, plan, history, machine))
        print(describe(history.epochs[-1]))
        observe(history)
        resume.save(loop.state(history))


class _Loop:
    """The moving parts of one `fit`: optimizer, step counter, cached features."""

    def __init__(self, model: Tagger, train: LabelledImages, plan: Plan, machine: Machine) -> None:
        self.model, self.train, self.plan, self.machine = model, train, plan, machine
        self.step = 0
        self.steps_per_epoch = math.ceil(len(train) / plan.batch_size)
        self.num_steps = plan.epochs * self.steps_per_epoch
        model.train()
        model.freeze_backbone(plan.frozen)
        self.optimizer = _build_optimizer(model, plan)
        self._features = self._cache_features() if plan.frozen and not plan.augment else None
        self._order: tuple[int, list[Tensor]] = (-1, [])
        self._losses: list[Tensor] = []

    def take_step(self, history: History) -> None:
        picks = self._picks()
        share = one_cycle(self.step, self.num_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        torch.manual_seed(_mix(self.plan.seed, self.step))  # dropout draws from torch's own
        with self.machine.autocast():
            logits = self._forward(picks)
        targets = self.train.targets[picks.to(self.train.device)]
        loss = functional.binary_cross_entropy_with_logits(logits.float(), targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self._losses.append(loss.detach())
        history.steps.append(
            {
                "step": history.first_step + self.step,
                "phase": self.plan.phase,
                "loss": math.nan,  # filled in by `check`: reading it here would wait for the device
                "learning_rate": max(group["lr"] for group in self.optimizer.param_groups),
            }
        )
        self.step += 1

    def check(self, history: History) -> None:
        """Read the losses of the steps since the last check and stop at one that is no number."""
        if not self._losses:
            return
        rows = history.steps[-len(self._losses) :]
        for row, loss in zip(rows, torch.stack(self._losses).tolist(), strict=True):
            if not math.isfinite(loss):
                epoch = (row["step"] - history.first_step) // self.steps_per_epoch + 1
                raise NonFiniteLossError(
                    f"{self.plan.phase}: the loss is {loss} in epoch {epoch} at step {row['step']}"
                    f" with learning rate {row['learning_rate']:.3g}; try a lower learning rate"
                )
            row["loss"] = loss
        self._losses.clear()

    def state(self, history: History) -> dict[str, Any]:
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": asdict(history),
        }

    def restore(self, state: dict[str, Any], history: History) -> None:
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        history.steps[:] = state["history"]["steps"]
        history.epochs[:] = state["history"]["epochs"]

    def _picks(self) -> Tensor:
        """The images of this step: batches of nearly equal size from the epoch's permutation."""
        epoch, batch = divmod(self.step, self.steps_per_epoch)
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(_mix(self.plan.seed, ~epoch))
            order = torch.randperm(len(self.train), generator=generator)
            self._order = (epoch, list(order.tensor_split(self.steps_per_epoch)))
        return self._order[1][batch]

    def _forward(self, picks: Tensor) -> Tensor:
        if self._features is not None:
            return self.model.head(self._features[picks.to(self.train.device)])
        pixels = self.train.pixels(picks)
        if self.plan.augment:
            generator = torch.Generator().manual_seed(_mix(self.plan.seed, self.step))
            pixels = augment(pixels, generator)
        if not self.plan.frozen:
            return self.model(pixels)
        with torch.no_grad():
            features = self.model.features(pixels)
        return self.model.head(features)

    @torch.no_grad()
    def _cache_features(self) -> Tensor | None:
        """The frozen backbone's features of every training image, where they fit."""
        parts: list[Tensor] = []
        for picks in self.train.batches(self.plan.batch_size):
            with self.machine.autocast():
                parts.append(self.model.features(self.train.pixels(picks)))
            if parts[0].nbytes / len(parts[0]) * len(self.train) > RESIDENT_BYTES:
                return None
        return torch.cat(parts)


def _build_optimizer(model: Tagger, plan: Plan) -> torch.optim.AdamW:
    """AdamW with the layer groups' peaks; biases and BatchNorm do not decay, as in fastai."""
    groups: list[dict[str, Any]] = []
    for peak, parameters in zip(plan.learning_rates, model.layer_groups(), strict=True):
        matrices = [p for p in parameters if p.requires_grad and p.ndim > 1]
        vectors = [p for p in parameters if p.requires_grad and p.ndim <= 1]
        groups.append({"params": matrices, "peak": peak, "weight_decay": plan.weight_decay})
        groups.append({"params": vectors, "peak": peak, "weight_decay": 0.0})
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=0.0, betas=BETAS, fused=True)


def _score_epoch(
    model: Tagger, validation: LabelledImages, plan: Plan, history: History, machine: Machine
) -> dict[str, Any]:
    probs, loss = infer(model, validation)
    predicted, actual = probs > model.card.threshold, validation.targets.cpu().numpy() > 0.5
    model.train()
    model.freeze_backbone(plan.frozen)
    own = [row["loss"] for row in history.steps if row["phase"] == plan.phase]
    epoch = history.first_epoch + len(history.epochs) + 1
    per_epoch = len(own) // (len(history.epochs) + 1)
    return {
        "epoch": epoch,
        "step": history.steps[-1]["step"],
        "phase": plan.phase,
        "train_loss": float(np.mean(own[-per_epoch:])),
        "validation_loss": loss,
        "label_accuracy": label_accuracy(predicted, actual),
        "exact_set": exact_set(predicted, actual),
        "micro_f1": micro_f1(predicted, actual),
    }


def describe(epoch: dict[str, Any]) -> str:
    return (
        f"{epoch['phase']} epoch {epoch['epoch']}: loss {epoch['train_loss']:.4f}, validation "
        f"{epoch['validation_loss']:.4f}, label accuracy {epoch['label_accuracy']:.4f}, "
        f"exact set {epoch['exact_set']:.4f}, micro-F1 {epoch['micro_f1']:.4f}"
    )


def _mix(seed: int, step: int) -> int:
    """A well-spread 63-bit seed for one step (the finalizer of SplitMix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + step + 1) & (2**64 - 1)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return (value ^ (value >> 31)) >> 1
