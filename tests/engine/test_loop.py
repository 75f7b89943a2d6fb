import numpy as np
import pytest
import torch

from captcha_tagger.base.errors import NonFiniteLossError
from captcha_tagger.data.images import LabelledImages
from captcha_tagger.data.labels import encode_texts, index_texts
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.loop import History, Phase, backward, optimize
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.network.inference import infer
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.training.fitting import fit
from captcha_tagger.training.objective import Plan
from tests.conftest import VOCABULARY, make_arrays, make_tagger, spell


def make_plan(
    *,
    frozen: bool = False,
    augment: bool = True,
    epochs: int = 3,
    rate: float = 0.01,
    ema_decay: float = 0.0,
) -> Plan:
    return Plan(
        phase="train_head" if frozen else "fine_tune",
        epochs=epochs,
        batch_size=7,
        learning_rates=[rate] * 5,
        weight_decay=0.01,
        augment=augment,
        seed=3,
        frozen=frozen,
        ema_decay=ema_decay,
    )


def train(
    images: LabelledImages,
    plan: Plan,
    machine: Machine,
    *,
    resume: ResumeFile | None = None,
    head: str = "ctc",
) -> tuple[Tagger, History]:
    model, history = make_tagger(head), History()
    resume = resume or ResumeFile("test", "key", every_seconds=1e9)
    fit(model, images, images, plan, machine, resume, history)
    resume.remove()
    return model, history


def assert_equal_models(one: Tagger, other: Tagger) -> None:
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_it_learns(images: LabelledImages, machine: Machine) -> None:
    _, history = train(images, make_plan(epochs=40), machine)
    assert history.epochs[-1]["label_accuracy"] > 0.95 > history.epochs[0]["label_accuracy"]


def test_it_learns_the_order_of_characters_and_their_repeats(machine: Machine) -> None:
    """Sets cannot tell these texts apart: `ab`, `ba`, `aab`."""
    bars = {"a": 4, "b": 14}  # rows at which a character's bar begins
    texts = ["ab", "ba", "aab", "bba"] * 6
    pixels = np.random.default_rng(0).integers(0, 60, (len(texts), 1, 24, 48)).astype(np.uint8)
    for image, text in zip(pixels, texts, strict=True):
        for place, character in enumerate(text):
            left = 4 + 16 * place
            image[0, bars[character] : bars[character] + 6, left : left + 6] = 220
    targets, indexed = encode_texts(texts, VOCABULARY), index_texts(texts, VOCABULARY)
    images = LabelledImages(pixels, targets, indexed, np.arange(len(texts)), machine.device)
    model, history = train(images, make_plan(epochs=40, augment=False), machine)
    assert history.epochs[-1]["text_accuracy"] == 1 > history.epochs[0]["text_accuracy"]
    assert history.epochs[-1]["character_error_rate"] == 0
    assert [one.text for one in infer(model, images).readings or []] == texts


@pytest.mark.parametrize("head", ["ctc", "noisy_or", "concat"])
@pytest.mark.parametrize("frozen", [True, False])
def test_the_same_seed_gives_the_same_bits(
    images: LabelledImages, machine: Machine, frozen: bool, head: str
) -> None:
    plan = make_plan(frozen=frozen)
    first, one = train(images, plan, machine, head=head)
    torch.rand(5)  # torch's own generator has moved on in between
    second, other = train(images, plan, machine, head=head)
    assert_equal_models(first, second)
    assert one == other


def test_it_ends_with_the_moving_average_of_its_weights() -> None:
    model, history = torch.nn.Linear(1, 1, bias=False), History()
    torch.nn.init.ones_(model.weight)
    weight = average = 1.0
    optimizer = torch.optim.SGD([{"params": [model.weight], "peak": 0.5}], lr=0.0)
    seen: list[float] = []

    def score_epoch(outcome: torch.nn.Module) -> dict[str, float]:
        seen.extend(parameter.item() for parameter in outcome.parameters())
        return {}

    optimize(
        model,
        backward(
            lambda _: model.weight.sum()
        ),  # its gradient is 1: a step subtracts the learning rate
        optimizer,
        Phase("fine_tune", epochs=2, steps_per_epoch=3, ema_decay=0.75),
        ResumeFile("test", "key", every_seconds=1e9),
        history,
        score_epoch,
    )
    for number, row in enumerate(history.steps):
        weight -= row["learning_rate"]
        average = 0.75 * average + 0.25 * weight if number else weight
    assert model.weight.item() == pytest.approx(average)
    assert seen[-1] == model.weight.item()


def test_the_average_is_scored_statistics_included(
    images: LabelledImages, machine: Machine
) -> None:
    last, _ = train(images, make_plan(), machine)
    model, history = train(images, make_plan(ema_decay=0.9), machine)
    statistics = "backbone.stem.1.running_mean"
    assert not torch.equal(model.get_buffer(statistics), last.get_buffer(statistics))
    assert history.epochs[-1]["validation_loss"] == infer(model, images).loss


class KilledError(Exception):
    """Stands for SIGKILL at a chosen save."""


class DyingResumeFile(ResumeFile):
    def __init__(self, *, dies_after: int) -> None:
        super().__init__("test", "key", every_seconds=0.0)  # saves after every step
        self.saves_left = dies_after

    def save(self, state: dict[str, object]) -> None:
        super().save(state)
        self.saves_left -= 1
        if not self.saves_left:
            raise KilledError


@pytest.mark.parametrize("dies_after", [1, 4, 5, 6, 11, 15])
@pytest.mark.parametrize(("head", "ema_decay"), [("ctc", 0.9), ("concat", 0.0)])
def test_a_killed_run_ends_with_the_bits_of_an_undisturbed_one(
    images: LabelledImages, machine: Machine, dies_after: int, head: str, ema_decay: float
) -> None:
    """Four steps an epoch, a save after each step and each epoch: kills in, between, after them."""
    plan = make_plan(ema_decay=ema_decay)
    expected, undisturbed = train(images, plan, machine, head=head)
    with pytest.raises(KilledError):
        train(images, plan, machine, resume=DyingResumeFile(dies_after=dies_after), head=head)
    model, history = train(images, plan, machine, head=head)
    assert_equal_models(model, expected)
    assert history == undisturbed


def test_a_damaged_resume_file_is_set_aside(
    images: LabelledImages, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    resume = ResumeFile("test", "key", every_seconds=1e9)
    resume.path.parent.mkdir(parents=True)
    resume.path.write_bytes(b"PK\x03\x04 no archive")
    expected, _ = train(
        images, make_plan(), machine, resume=ResumeFile("test", "b", every_seconds=9)
    )
    model, _ = train(images, make_plan(), machine, resume=resume)
    assert_equal_models(model, expected)
    assert "set aside" in capsys.readouterr().err


def test_a_diverged_loss_stops_with_step_and_rate(machine: Machine) -> None:
    pixels, targets = make_arrays()
    targets[5, 0] = np.nan
    images = LabelledImages(pixels, targets, spell(targets), np.arange(len(pixels)), machine.device)
    with pytest.raises(NonFiniteLossError, match=r"epoch 1 at step \d+ with learning rate"):
        train(images, make_plan(), machine)


def test_weights_that_overflowed_are_not_saved(images: LabelledImages, machine: Machine) -> None:
    """The loss of a step is finite even if its update is not."""
    resume = ResumeFile("test", "key", every_seconds=0.0)
    with pytest.raises(NonFiniteLossError, match="no numbers any more after step 0"):
        train(images, make_plan(rate=1e39), machine, resume=resume)
    assert resume.load() is None


def test_cached_features_train_the_head_like_fresh_ones(
    images: LabelledImages, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(frozen=True, augment=False)
    cached, _ = train(images, plan, machine)
    monkeypatch.setattr("captcha_tagger.training.objective.RESIDENT_BYTES", 0)
    fresh, _ = train(images, plan, machine)
    for name, value in cached.state_dict().items():
        torch.testing.assert_close(value, fresh.state_dict()[name], msg=name)
