"""Head training and fine-tuning: the shared loop on labelled images, by one process or several.

A Tagger and LabelledImages -> the same Tagger, trained in place.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from captcha_tagger.data.images import LabelledImages
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.crew import Crew, Member
from captcha_tagger.engine.launch import open_launcher
from captcha_tagger.engine.loop import History, Phase, backward, optimize
from captcha_tagger.engine.optimizer import build_optimizer
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.engine.shards import Shards, count_workers
from captcha_tagger.metrics.sets import count, exact_set, label_accuracy, micro_f1
from captcha_tagger.metrics.texts import count_characters, count_edits, error_rate, text_accuracy
from captcha_tagger.network.card import ModelCard
from captcha_tagger.network.inference import infer
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.training.objective import Plan, TaggerObjective, set_mode


def fit(
    model: Tagger,
    train: LabelledImages,
    validation: LabelledImages,
    plan: Plan,
    machine: Machine,
    resume: ResumeFile,
    history: History,
    observe: Callable[[], None] = lambda: None,
) -> None:
    """Train the model in place, scoring the validation images after every epoch."""

    def score_epoch(outcome: Tagger) -> dict[str, float]:
        scores = score(outcome, validation)
        set_mode(model, plan)
        return scores

    set_mode(model, plan)
    optimizer = build_optimizer(model.layer_groups(), plan.learning_rates, plan.weight_decay)
    objective = TaggerObjective(model, train, plan, machine)
    phase = Phase(plan.phase, plan.epochs, objective.steps_per_epoch, plan.ema_decay)
    with _share(model, objective, optimizer, phase) as gradients:
        optimize(model, gradients, optimizer, phase, resume, history, score_epoch, observe)


def score(model: Tagger, images: LabelledImages) -> dict[str, float]:
    """Loss and scores shown after every epoch, of texts where the model reads; leaves it in eval
    mode."""
    found = infer(model, images)
    predicted, actual = found.probs > model.card.threshold, images.targets.cpu().numpy() > 0.5
    counts = count(predicted, actual)
    scores = {
        "validation_loss": found.loss,
        "label_accuracy": label_accuracy(counts),
        "exact_set": exact_set(counts),
        "micro_f1": micro_f1(counts),
    }
    if found.readings is None:
        return scores
    texts = images.spell(model.card.vocabulary)
    edits = count_edits((one.text for one in found.readings), texts)
    return {
        **scores,
        "text_accuracy": text_accuracy(edits),
        "character_error_rate": error_rate(edits, count_characters(texts)),
    }


@contextmanager
def _share(
    model: Tagger, objective: TaggerObjective, optimizer: torch.optim.Optimizer, phase: Phase
) -> Iterator[Callable[[int], Tensor]]:
    """The gradients of each step: all at once, in shards, or in shards by several workers."""
    plan, machine = objective.plan, objective.machine
    number = count_workers(machine.workers, plan.shards)
    if number < machine.workers:
        some = f"{number} of {machine.workers} workers"
        print(f"{plan.phase}: {some}, as many as there are equal parts of {plan.shards} shards for")
    if number == 1:
        yield choose_gradients(model, objective)
    else:
        job = Job(model.card, objective.train, plan, machine)
        me = Member(model, optimizer, _take_shards(model, objective))
        num_steps = phase.epochs * phase.steps_per_epoch
        with (
            open_launcher(machine.cluster, machine.threads) as launcher,
            Crew(me, job, launcher, number, num_steps) as crew,
        ):
            yield crew


def choose_gradients(model: Tagger, objective: TaggerObjective) -> Callable[[int], Tensor]:
    """Those of a batch as a whole, or in shards, by this process alone."""
    if objective.plan.shards == 1:
        return backward(objective)
    return _take_shards(model, objective)


def _take_shards(model: Tagger, objective: TaggerObjective) -> Shards:
    return Shards(model, objective, objective.plan.shards, objective.machine.threads)


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of a training beside its state."""

    card: ModelCard
    train: LabelledImages
    plan: Plan
    machine: Machine

    def __call__(self, state: dict[str, Any]) -> Member:
        """The training as it is in this state, in a process of its own."""
        self.machine.prepare()
        model = Tagger(self.card).to(self.machine.device)
        model.load_state_dict(state["model"])
        set_mode(model, self.plan)
        groups = model.layer_groups()
        optimizer = build_optimizer(groups, self.plan.learning_rates, self.plan.weight_decay)
        optimizer.load_state_dict(state["optimizer"])
        objective = TaggerObjective(model, self.train, self.plan, self.machine)
        return Member(model, optimizer, _take_shards(model, objective))
