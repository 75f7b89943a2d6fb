"""Functions as Ray's tasks, on a Ray that this machine starts for itself."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.session import Session, find_places, open_session
from tests.cluster.rays import NEEDS_RAY
from tests.cluster.tasks import POISON, die, die_once, double, look_around, name_process, refuse
from tests.repository import ROOT
from tests.test_loopback import listening

pytestmark = NEEDS_RAY


def cut(numbers: list[int], size: int) -> list[list[int]]:
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def map_doubles(session: Session, numbers: list[int]) -> list[int]:
    batches = cut(numbers, 7)
    results = session.map_batches(double, batches, on_crash=lambda item: [100 * item])
    return [number for result in results for number in result]


def test_results_come_in_order(session: Session) -> None:
    assert map_doubles(session, list(range(100))) == [2 * number for number in range(100)]


def test_what_ends_every_process_is_one_result_and_costs_no_other(session: Session) -> None:
    numbers = [*range(20), POISON, *range(20)]
    assert map_doubles(session, numbers) == [n if n == 100 * POISON else 2 * n for n in expected()]


def expected() -> list[int]:
    return [*range(20), 100 * POISON, *range(20)]


def test_killed_workers_cost_nothing(session: Session) -> None:
    batches = cut(list(range(400)), 4)
    found = []
    for number, pids in enumerate(session.map_batches(name_process, batches, on_crash=die)):
        found += pids
        if number in (10, 40):
            os.kill(pids[0], signal.SIGKILL)
    assert len(found) == 400
    assert len(set(found)) > 2


def test_a_call_is_begun_again_where_its_process_is_lost(session: Session, tmp_path: Path) -> None:
    assert session.call(die_once, tmp_path / "marker") == "done"


def test_a_call_that_is_lost_again_and_again_says_so(session: Session) -> None:
    with pytest.raises(ChildProcessError, match="lost 3 times"):
        session.call(die, None)


def test_bad_input_of_a_task_is_the_line_that_it_raised(session: Session) -> None:
    with pytest.raises(InputError, match=r"^images: no such folder$"):
        session.call(refuse, None)


def test_a_task_finds_folder_and_threads_as_they_are_here(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray sets the threads by its cores, and starts workers wherever it was started."""
    assert session.call(look_around) == (os.getcwd(), os.environ.get("OMP_NUM_THREADS"))  # noqa: PTH109


def test_ray_listens_on_this_machine_alone_and_shows_no_token(session: Session) -> None:
    session.call(look_around)  # so that there is a worker, too
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    heard = {address for one in processes for address, _ in listening(one)}
    assert heard
    assert heard <= {"127.0.0.1", "::ffff:127.0.0.1"}
    token = os.environ["RAY_AUTH_TOKEN"]
    assert not any(token in word for one in processes for word in words(one))


def words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_where_no_ray_answers_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        pytest.raises(InputError, match=rf"compute.cluster: no Ray answers at 127.0.0.1:{port} \("),
        open_session(f"127.0.0.1:{port}"),
    ):
        pass


STARTS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
from captcha_tagger.base.work.session import open_session
with open_session("local") as session:
    print("started", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 7), (signal.SIGKILL, -9)])
def test_a_process_that_ends_takes_its_ray_along(number: int, code: int) -> None:
    """SIGTERM has the handler that it had before."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTS],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path])},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        children = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.5)
        os.kill(process.pid, number)
    assert process.returncode == code
    assert len(children) > 2
    assert not psutil.wait_procs(children, timeout=240)[1]


def node(name: str, *, alive: bool = True, **resources: float) -> dict[str, object]:
    return {"NodeID": name, "Alive": alive, "Resources": resources}


@pytest.mark.parametrize(
    ("nodes", "cores", "gpus", "places"),
    [
        ([node("own", CPU=4), node("b", CPU=8)], 4, 0, ["b", "b"]),
        ([node("own", CPU=4), node("b", CPU=2)], 1, 0, ["b", "own", "b", "own", "own"]),
        ([node("own", CPU=2), node("b", CPU=8)], 64, 0, ["b"]),
        ([node("own", CPU=2), node("b", CPU=8, alive=False)], 2, 0, []),
        ([node("own"), node("b", CPU=8, alive=False)], 2, 0, []),
        ([node("own"), node("b", CPU=2)], 2, 0, ["b"]),
        ([node("own", CPU=8, GPU=2), node("b", CPU=8, GPU=1)], 2, 1, ["b", "own"]),
        ([node("own", CPU=8), node("b", CPU=8, GPU=8, alive=False)], 2, 1, []),
    ],
)
def test_places_are_machines_in_turn_the_own_one_last(
    nodes: list[dict[str, object]], cores: int, gpus: int, places: list[str]
) -> None:
    assert find_places(nodes, "own", cores, gpus) == places
