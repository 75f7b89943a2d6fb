import multiprocessing
from dataclasses import replace

import pytest
import torch

from captcha_tagger.backbone.pretraining import pretrain
from captcha_tagger.backbone.recipe import Recipe
from captcha_tagger.drawing.faces import matplotlib_faces
from captcha_tagger.drawing.texts import VOCABULARY
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.network.backbone_folder import backbone_weights
from captcha_tagger.network.card import Architecture
from captcha_tagger.network.tagger import Tagger

COMPACT = Architecture(name="compact", output_stride=8, dropped_stages=0)
TINY = Recipe(
    images=40,
    batch_size=4,
    learning_rate=0.005,
    weight_decay=0.05,
    seed=0,
    faces=matplotlib_faces(),
)


def train(machine: Machine, resume: ResumeFile | None = None) -> Tagger:
    resume = resume or ResumeFile("backbone", "key", every_seconds=1e9)
    model = pretrain(COMPACT, TINY, machine, resume)
    resume.remove()
    return model


def assert_equal_models(one: Tagger, other: Tagger) -> None:
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


class KilledError(Exception):
    """Stands for SIGKILL at a chosen save."""


class DyingResumeFile(ResumeFile):
    saves_left = 3

    def save(self, state: dict[str, object]) -> None:
        super().save(state)
        self.saves_left -= 1
        if not self.saves_left:
            raise KilledError


def test_a_killed_pretraining_ends_with_the_bits_of_an_undisturbed_one(machine: Machine) -> None:
    expected = train(machine)
    with pytest.raises(KilledError):
        train(machine, DyingResumeFile("backbone", "key", every_seconds=1e9))
    assert_equal_models(train(machine), expected)


@pytest.mark.slow
def test_the_number_of_drawing_processes_changes_no_bit(machine: Machine) -> None:
    one = train(machine)
    torch.set_num_threads(1)
    assert_equal_models(train(replace(machine, threads=2)), one)


def test_the_head_comes_along_with_a_row_per_character(machine: Machine) -> None:
    model = train(machine)
    assert model.card.vocabulary == VOCABULARY
    weights = backbone_weights(model)
    assert weights["head.evidence.bias"].shape == (63,)
    assert weights.keys() - {"head.evidence.weight", "head.evidence.bias"} == set(
        model.backbone.state_dict()
    )


class ChildKillingResumeFile(ResumeFile):
    """Kills the drawing processes at every save, as a system without memory would."""

    def save(self, state: dict[str, object]) -> None:
        super().save(state)
        for child in multiprocessing.active_children():
            child.kill()


@pytest.mark.slow
def test_a_killed_drawing_process_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captcha_tagger.backbone.pretraining.BURST", 1)
    machine = Machine(torch.device("cpu"), 2, torch.float32, deterministic=True)
    with pytest.raises(ChildProcessError, match="a drawing process was killed"):
        train(machine, ChildKillingResumeFile("backbone", "key", every_seconds=1e9))
