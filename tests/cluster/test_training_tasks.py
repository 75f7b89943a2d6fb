"""Training by the tasks of a cluster of two nodes: the bits of one process, whatever is lost."""

import contextlib
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.session import open_session
from captcha_tagger.data.images import LabelledImages
from captcha_tagger.engine import crew, launch
from captcha_tagger.engine.compute import Machine
from captcha_tagger.engine.resume import ResumeFile
from tests.cluster.rays import NEEDS_RAY
from tests.engine.test_crew import PLAN, Watched
from tests.engine.test_loop import DyingResumeFile, KilledError, assert_equal_models, train

pytestmark = [NEEDS_RAY, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(autouse=True)
def _repository(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()


def assert_same_bits(
    images: LabelledImages, here: Machine, there: Machine, resume: ResumeFile | None = None
) -> None:
    """As one process of this machine makes them."""
    expected, history = train(images, PLAN, here)
    model, told = train(images, PLAN, there, resume=resume)
    assert_equal_models(model, expected)
    assert told == history


def list_tasks() -> list[psutil.Process]:
    """The processes that Ray's nodes have at work; an idle one is called ray::IDLE."""
    below = psutil.Process().children(recursive=True)
    return [process for process in below if " ".join(process.cmdline()).startswith("ray::_run")]


def wait_until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_any_number_of_workers_anywhere_makes_the_same_bits(
    cluster: Any, images: LabelledImages, machine: Machine
) -> None:
    seen: list[int] = []
    for workers in (2, 4):
        there = replace(machine, workers=workers, cluster=cluster.address)
        watched = Watched({3: lambda: seen.append(len(list_tasks()))})
        assert_same_bits(images, machine, there, watched)
    assert seen == [1, 3]


def test_a_worker_and_then_a_node_that_are_lost_cost_nothing(
    cluster: Any,
    images: LabelledImages,
    machine: Machine,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Of four workers the first goes on: for more there is no room without the node."""
    left: list[int] = []

    def lose_node() -> None:
        before = list_tasks()  # they live on for a moment, and are nobody's children then
        cluster.remove_node(cluster.other, allow_graceful=False)
        wait_until(lambda: not any(task.is_running() for task in before))

    watched = Watched(
        {
            2: lambda: list_tasks()[-1].kill(),
            4: lose_node,
            6: lambda: left.append(len(list_tasks())),
        }
    )
    there = replace(machine, workers=4, cluster=cluster.address)
    assert_same_bits(images, machine, there, watched)
    lines = capfd.readouterr().err
    assert "a worker was lost at step 2; starting all again" in lines
    assert "a worker was lost at step 4; starting all again" in lines
    assert "1 of 4 workers: there is no room for more" in lines
    assert left == [0]


def test_a_machine_that_goes_without_a_word_is_missed(
    cluster: Any,
    images: LabelledImages,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A process that is stopped keeps its connections open, as one does whose power is cut."""
    monkeypatch.setattr(crew, "LONGEST_STEP", timedelta(seconds=5))
    stopped: list[psutil.Process] = []

    def stop() -> None:
        stopped.extend(list_tasks())
        stopped[0].suspend()

    there = replace(machine, workers=2, cluster=cluster.address)
    assert_same_bits(images, machine, there, Watched({3: stop}))
    assert "a worker was lost at step 3; starting all again" in capfd.readouterr().err


def test_a_machine_without_the_folder_is_one_line(
    cluster: Any,
    images: LabelledImages,
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with contextlib.chdir(folder), open_session(cluster.address) as session:
        folder.rmdir()
        monkeypatch.setattr(launch, "open_session", lambda _: nullcontext(session))
        with pytest.raises(InputError, match=r"gone: not on .*; all machines must share it"):
            train(images, PLAN, replace(machine, workers=2, cluster=cluster.address))


def test_who_finds_no_place_is_not_waited_for(
    cluster: Any,
    images: LabelledImages,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Another training has two of the three places, and a third worker never comes."""
    monkeypatch.setattr(crew, "LONGEST_MEETING", timedelta(seconds=20))
    with open_session(cluster.address) as session:
        others = [session.start(place, 1, time.sleep, 600) for place in session.list_places(1)[:2]]
        there = replace(machine, workers=4, cluster=cluster.address)
        monkeypatch.setattr(launch, "open_session", lambda _: nullcontext(session))
        assert_same_bits(images, machine, there)
        for other in others:
            other.end()
    assert "2 of 4 workers: there is no room for more" in capfd.readouterr().err


def test_a_killed_run_goes_on_without_the_cluster(
    cluster: Any, images: LabelledImages, machine: Machine
) -> None:
    expected, history = train(images, PLAN, machine)  # before there is a file to resume from
    with pytest.raises(KilledError):
        there = replace(machine, workers=4, cluster=cluster.address)
        train(images, PLAN, there, resume=DyingResumeFile(dies_after=3))
    model, told = train(images, PLAN, replace(machine, workers=2))
    assert_equal_models(model, expected)
    assert told == history
