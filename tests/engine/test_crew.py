"""Training by several processes; every start of one imports torch anew, hence the slow ones."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest

from captcha_tagger.data.images import LabelledImages
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.engine.shards import count_workers
from tests.engine.test_loop import (
    DyingResumeFile,
    KilledError,
    assert_equal_models,
    make_plan,
    train,
)
from tests.test_loopback import listening

PLAN = replace(make_plan(epochs=2, ema_decay=0.9), shards=4)


@pytest.mark.parametrize(
    ("wanted", "shards", "number"), [(1, 4, 1), (2, 4, 2), (3, 4, 2), (8, 4, 4), (64, 1, 1)]
)
def test_each_worker_has_an_equal_part_of_the_shards(wanted: int, shards: int, number: int) -> None:
    assert count_workers(wanted, shards) == number


@pytest.mark.parametrize(
    ("workers", "head"),
    [(2, "ctc"), *(pytest.param(4, head, marks=pytest.mark.slow) for head in ("ctc", "concat"))],
)
@pytest.mark.parametrize("frozen", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_bits_do_not_depend_on_the_number_of_workers(
    images: LabelledImages, machine: Machine, workers: int, head: str, frozen: bool
) -> None:
    plan = replace(PLAN, frozen=frozen)
    expected, history = train(images, plan, machine, head=head)
    model, told = train(images, plan, replace(machine, workers=workers), head=head)
    assert_equal_models(model, expected)
    assert told == history


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(1, 2), (4, 1), (2, 4)])
def test_a_killed_run_goes_on_with_another_number_of_workers(
    images: LabelledImages, machine: Machine, before: int, after: int
) -> None:
    expected, history = train(images, PLAN, machine)
    with pytest.raises(KilledError):
        dying = DyingResumeFile(dies_after=3)
        train(images, PLAN, replace(machine, workers=before), resume=dying)
    model, told = train(images, PLAN, replace(machine, workers=after))
    assert_equal_models(model, expected)
    assert told == history


class Watched(ResumeFile):
    """Calls back, once each, when certain steps are saved."""

    def __init__(self, then: dict[object, Callable[[], object]]) -> None:
        super().__init__("test", "key", every_seconds=0.0)
        self._then = then

    def save(self, state: dict[str, object]) -> None:
        super().save(state)
        self._then.pop(state["step"], lambda: None)()


def workers() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 4])
def test_a_worker_killed_at_a_step_costs_nothing(
    images: LabelledImages, machine: Machine, number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    expected, history = train(images, PLAN, machine)
    watched = Watched({3: lambda: workers()[-1].kill()})
    model, told = train(images, PLAN, replace(machine, workers=number), resume=watched)
    assert_equal_models(model, expected)
    assert told == history
    assert "a worker was lost at step 3; starting all again" in capfd.readouterr().err


@pytest.mark.slow
def test_workers_that_die_again_and_again_are_one_line(
    images: LabelledImages, machine: Machine
) -> None:
    with (
        killing_every_worker(),
        pytest.raises(ChildProcessError, match=r"lost 3 times at step 0.*fewer compute.workers"),
    ):
        train(images, PLAN, replace(machine, workers=2))


@contextmanager
def killing_every_worker() -> Iterator[None]:
    ended = threading.Event()

    def kill() -> None:
        while not ended.wait(0.05):
            for worker in workers():
                worker.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow
def test_workers_listen_on_this_machine_alone_and_end_with_it(
    images: LabelledImages, machine: Machine
) -> None:
    seen: set[str] = set()

    def look() -> None:
        for process in [psutil.Process(), *workers()]:
            seen.update(address for address, _ in listening(process))

    train(images, PLAN, replace(machine, workers=2), resume=Watched({3: look}))
    assert seen == {"127.0.0.1"}
    assert not workers()
