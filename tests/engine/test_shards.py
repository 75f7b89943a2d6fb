import threading
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from captcha_tagger.data.images import LabelledImages
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.shards import Shards, add_pairwise
from captcha_tagger.network.inference import measure_losses
from captcha_tagger.training.objective import TaggerObjective, set_mode
from tests.conftest import make_tagger
from tests.engine.test_loop import assert_equal_models, make_plan, train


class Squares:
    """A batch of five values of its own for each step, in shards of unequal size."""

    def __init__(self, model: nn.Module, shards: int) -> None:
        self.model, self.shards = model, shards

    def batch(self, step: int) -> Tensor:
        return torch.randn(5, 3, generator=torch.Generator().manual_seed(step))

    def share(self, step: int, shard: int) -> float:
        return len(self.batch(step).tensor_split(self.shards)[shard]) / 5

    def on(self, model: nn.Module) -> "Squares":
        return Squares(model, self.shards)

    def __call__(self, step: int, shard: int) -> Tensor:
        rows = self.batch(step).tensor_split(self.shards)[shard]
        return self.model(rows).square().mean() * self.share(step, shard)


def test_unequal_shards_add_up_to_the_gradient_of_the_whole() -> None:
    """The mean of the shards' means, as plain data-parallel training takes it, is another."""
    model = nn.Linear(3, 2)
    loss = Shards(model, Squares(model, 4), 4, threads=2)(step=0)
    whole = Squares(model, 1)(0, 0)
    gradients = torch.autograd.grad(whole, list(model.parameters()))
    torch.testing.assert_close(loss, whole.detach())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_running_statistics_move_by_the_mean_of_the_shards() -> None:
    model = nn.BatchNorm1d(3).train()
    Shards(model, Squares(model, 2), 2, threads=1)(step=0)
    rows = Squares(model, 2).batch(0)
    mean = 0.6 * rows[:3].mean(0) + 0.4 * rows[3:].mean(0)
    torch.testing.assert_close(model.running_mean, 0.1 * mean)
    assert model.num_batches_tracked == 1


def test_a_shard_without_images_counts_for_nothing() -> None:
    model = nn.Linear(3, 2)
    loss = Shards(model, Squares(model, 8), 8, threads=4)(0)
    torch.testing.assert_close(loss, Squares(model, 1)(0, 0))


@pytest.mark.parametrize("processes", [1, 2, 4, 8])
def test_the_sum_has_the_same_bits_for_any_number_of_processes(processes: int) -> None:
    leaves = torch.randn(8, 1000, generator=torch.Generator().manual_seed(0))
    part = 8 // processes
    sums = [add_pairwise(leaves.__getitem__, part * rank, part) for rank in range(processes)]
    whole = add_pairwise(leaves.__getitem__, 0, 8)
    assert torch.equal(add_pairwise(sums.__getitem__, 0, processes), whole)
    assert not torch.equal(sum(leaves, torch.zeros(1000)), whole)  # the order does matter


@pytest.mark.parametrize("frozen", [True, False])
def test_one_shard_is_the_batch_as_a_whole(
    images: LabelledImages, machine: Machine, frozen: bool
) -> None:
    """Bit by bit the mean loss that training lowered before there were shards."""
    plan = make_plan(frozen=frozen, augment=False)
    model = make_tagger()
    set_mode(model, plan)
    objective = TaggerObjective(model, images, plan, machine)
    picks = objective._pick_batch(0)
    answer = model.answer(images.pixels(picks))
    assert torch.equal(objective(0), measure_losses(answer, images, picks).mean())


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_backbone_stays_and_a_trained_one_moves(
    images: LabelledImages, machine: Machine, frozen: bool
) -> None:
    model, _ = train(images, replace(make_plan(frozen=frozen), shards=4), machine)
    before, after = make_tagger().backbone.state_dict(), model.backbone.state_dict()
    assert {torch.equal(before[name], after[name]) for name in before} == {frozen}


def test_another_number_of_shards_is_another_model(
    images: LabelledImages, machine: Machine
) -> None:
    one, _ = train(images, make_plan(), machine)
    other, _ = train(images, replace(make_plan(), shards=4), machine)
    with pytest.raises(AssertionError):
        assert_equal_models(one, other)


class Meeting(Squares):
    """Goes on when two shards are computed at once."""

    def __init__(self, model: nn.Module, shards: int, barrier: threading.Barrier) -> None:
        super().__init__(model, shards)
        self.barrier = barrier

    def on(self, model: nn.Module) -> "Meeting":
        return Meeting(model, self.shards, self.barrier)

    def __call__(self, step: int, shard: int) -> Tensor:
        self.barrier.wait(timeout=30)
        return super().__call__(step, shard)


def test_shards_are_computed_at_once() -> None:
    model = nn.Linear(3, 2)
    Shards(model, Meeting(model, 4, threading.Barrier(2)), 4, threads=2)(step=0)


def test_what_draws_random_numbers_is_computed_in_turn(
    images: LabelledImages, machine: Machine
) -> None:
    """Dropout draws from the one source of numbers that all threads have."""
    plan, two = replace(make_plan(), shards=4), replace(machine, threads=2)
    assert_equal_models(*(train(images, plan, two, head="concat")[0] for _ in range(2)))


@pytest.mark.parametrize("head", ["ctc", "noisy_or"])
@pytest.mark.parametrize("frozen", [True, False])
def test_the_bits_do_not_depend_on_the_number_of_threads(
    images: LabelledImages, machine: Machine, head: str, frozen: bool
) -> None:
    plan = replace(make_plan(frozen=frozen, ema_decay=0.5), shards=4)
    models = []
    for threads in (1, 2, 4):
        with_threads = replace(machine, threads=threads)
        with_threads.prepare()
        models.append(train(images, plan, with_threads, head=head)[0])
    machine.prepare()
    assert_equal_models(models[0], models[1])
    assert_equal_models(models[0], models[2])
