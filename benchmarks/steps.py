"""Fine-tuning's own step on random images of the Kaggle set's shape, and the seconds of a call."""

import time
from collections.abc import Callable
from itertools import count
from typing import Literal

import numpy as np
import torch

from captcha_tagger.data.images import LabelledImages
from captcha_tagger.data.labels import encode_texts, index_texts
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.optimizer import build_optimizer
from captcha_tagger.network.card import Architecture, ModelCard
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.training.fitting import choose_gradients
from captcha_tagger.training.objective import Plan, TaggerObjective

Head = Literal["ctc", "noisy_or", "concat"]
VOCABULARY = list("2345678bcdefgmnpwxy")
LENGTH = 5  # characters in a text
BATCHES = 4  # of images, which the steps take in turn
WARM_UP = 5  # calls


def make_model(name: str, head: Head, machine: Machine, channels: Literal[1, 3] = 1) -> Tagger:
    """A Tagger of random weights that sees 50x200 pixels."""
    card = ModelCard(
        architecture=Architecture(name=name, output_stride=8, dropped_stages=0),
        head=head,
        channels=channels,
        height=50,
        width=200,
        vocabulary=VOCABULARY,
        threshold=0.5,
    )
    return Tagger(card).to(machine.device)


def make_step(
    model: Tagger, batch_size: int, machine: Machine, shards: int = 1
) -> Callable[[], None]:
    """Picking, augmenting, both passes and the optimizer; without the average of the weights."""
    images = draw_noise(model.card, BATCHES * batch_size, machine.device)
    rates = [1e-3] * len(model.layer_groups())
    plan = Plan(
        "fine_tune", 1, batch_size, rates, 0.01, augment=True, seed=0, frozen=False, shards=shards
    )
    objective = TaggerObjective(model.train(), images, plan, machine)
    gradients = choose_gradients(model, objective)
    optimizer = build_optimizer(model.layer_groups(), rates, plan.weight_decay)
    steps = count()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        gradients(next(steps))
        optimizer.step()

    return step


def draw_noise(card: ModelCard, number: int, device: torch.device) -> LabelledImages:
    """Random pixels under random texts."""
    generator = np.random.default_rng(0)
    shape = (number, card.channels, card.height, card.width)
    pixels = generator.integers(0, 256, shape, np.uint8)
    texts = ["".join(row) for row in generator.choice(card.vocabulary, (number, LENGTH))]
    targets, indices = encode_texts(texts, card.vocabulary), index_texts(texts, card.vocabulary)
    return LabelledImages(pixels, targets, indices, np.arange(number), device)


def measure(call: Callable[[], object], times: int, machine: Machine) -> float:
    """Seconds a call, after a warm-up."""
    for _ in range(WARM_UP):
        call()
    finish(machine)
    started = time.perf_counter()
    for _ in range(times):
        call()
    finish(machine)
    return (time.perf_counter() - started) / times


def finish(machine: Machine) -> None:
    """Wait until the device has done all that it was told."""
    if machine.device.type == "cuda":
        torch.cuda.synchronize()
