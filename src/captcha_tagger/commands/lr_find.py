"""The learning-rate range test for head training: which peak to give its one-cycle.

A Tagger and a Dataset -> losses under an exponentially growing learning rate, and a suggestion.
Source: Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import atomic_file
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.optimizer import build_optimizer
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.report.plots import style
from captcha_tagger.training.fitting import choose_gradients
from captcha_tagger.training.objective import Plan, TaggerObjective, set_mode
from captcha_tagger.training.params import TrainHead

LOWEST, HIGHEST = 1e-5, 10.0
STEPS = 100
SMOOTHING = 0.9
DIVERGED = 4.0  # times the smallest smoothed loss


@dataclass(frozen=True)
class RangeTest:
    """Learning rates, the smoothed loss at each, and where that fell most steeply."""

    rates: list[float]
    losses: list[float]
    suggestion: float


def find_rate(model: Tagger, data: Dataset, params: TrainHead, machine: Machine) -> RangeTest:
    """Train the head at ever higher rates until the loss explodes; the model is used up.

    InputError where there is no image to train on.
    """
    if not len(data.train):
        raise InputError("split.train_images: 0 leaves no image to find a learning rate with")
    model.to(machine.device)
    train = data.train_images(machine.device)
    plan = Plan(
        phase="lr_find",
        epochs=1,
        batch_size=params.batch_size,
        learning_rates=[1.0] * len(model.layer_groups()),
        weight_decay=params.weight_decay,
        augment=params.augment,
        seed=params.seed,
        frozen=True,
        shards=params.shards,
    )
    set_mode(model, plan)
    optimizer = build_optimizer(model.layer_groups(), plan.learning_rates, plan.weight_decay)
    gradients = choose_gradients(model, TaggerObjective(model, train, plan, machine))
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    for step in range(STEPS):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss = gradients(step)
        optimizer.step()
        average = SMOOTHING * average + (1 - SMOOTHING) * loss.item()
        smoothed = average / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(smoothed) or (losses and smoothed > DIVERGED * min(losses)):
            break
        rates.append(rate)
        losses.append(smoothed)
    return RangeTest(rates, losses, _steepest(rates, losses))


def draw_range_test(path: Path, test: RangeTest) -> None:
    """Loss against learning rate, the suggestion marked."""
    with atomic_file(path) as beside, style.draw_figure(beside, 4.2) as (axes,):
        axes.semilogx(test.rates, test.losses, color=style.BLUE)
        axes.axvline(test.suggestion, color=style.ORANGE, linestyle="--")
        axes.set(
            xlabel="learning rate of the head",
            ylabel="training loss, smoothed",
            title=f"steepest fall at {test.suggestion:.2g}",
        )


def _steepest(rates: list[float], losses: list[float]) -> float:
    """The rate at which the loss falls fastest per factor of the rate."""
    falls = torch.tensor(losses).diff()
    return rates[int(falls.argmin())] if len(losses) > 1 else rates[0]
