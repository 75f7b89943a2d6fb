"""The only import of Ray: functions that run as its tasks, on this machine or on many.

A session's own Ray listens on 127.0.0.1 alone and takes no call without its token. Tasks find the
folder that this process works in under the same path, on a file system that all machines share, so
neither code nor data are uploaded. What is lost with a process or a machine is done again.
"""

import logging
import os
import secrets
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.address import INSIDE
from captcha_tagger.base.work.processes import count_cores

LOOPBACK = "127.0.0.1"
SOURCE = Path(__file__).resolve().parents[3]
ENVIRONMENT = {  # read on import
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_worker_niceness": "0",  # instead of 15: beside any other work a task would hardly get on
}
TOKEN, THREADS = "RAY_AUTH_TOKEN", "OMP_NUM_THREADS"
STORE_BYTES = 100_000_000  # results and models are small: what is large goes through files
CONNECT_SECONDS = 5.0
AHEAD = 2  # tasks for each core, so that none waits for its next
ATTEMPTS = 3  # of one item, until it and not chance has ended its process

Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value")


class Session:
    """A Ray that this process is connected to."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._home = _Home(os.getcwd(), os.environ.get(THREADS))  # noqa: PTH109
        self._lost = (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.ObjectLostError,
        )
        # Ray's own retries would take the process that a damaged image ends for an accident.
        self._task = ray.remote(max_retries=0, num_cpus=1)(_run)
        resources = ray.cluster_resources()
        self.num_cores = int(resources.get("CPU", 0))
        self.num_machines = sum(node["Alive"] for node in ray.nodes())
        # Ray hides the GPUs from a task that asks for none.
        self._large = {"num_gpus": min(1, int(resources.get("GPU", 0)))}
        self._own = ray.get_runtime_context().get_node_id()
        addresses = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes()}
        self.address = str(addresses[self._own])  # at which tasks reach this process
        if not self.num_cores:
            raise InputError("compute.cluster: no machine of this Ray has a core to work on")

    def share(self, value: Value) -> "Shared[Value]":
        """A handle by which tasks get the value, on any machine."""
        return Shared(self._ray.put(value))

    def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """function(*arguments) from a task of some machine, with a GPU where there are any; begun
        again where its process or machine is lost.

        May be called from many threads at once. ChildProcessError when it is lost again and again.
        """
        task = self._task.options(**self._large, scheduling_strategy="SPREAD")
        return self._insist(lambda: task.remote(self._home, function, arguments))

    def list_places(self, cores: int) -> list[str]:
        """Where there is room for tasks of so many cores each, whatever else is at work there.

        A machine for each, by its id: all in turn, and this process's own last, as this process
        takes a place there itself. With GPUs in the cluster, a task takes one of them, too.
        """
        return find_places(self._ray.nodes(), self._own, cores, self._large["num_gpus"])

    def start(
        self, place: str, cores: int, function: Callable[..., None], *arguments: object
    ) -> "Task":
        """Begin function(*arguments) in a task on a machine."""
        strategies = self._ray.util.scheduling_strategies
        there = strategies.NodeAffinitySchedulingStrategy(place, soft=False)
        task = self._task.options(num_cpus=cores, **self._large, scheduling_strategy=there)
        return Task(self, task.remote(self._home, function, arguments))

    def map_batches(
        self,
        function: Callable[[Sequence[Item]], Result],
        batches: Iterable[Sequence[Item]],
        *,
        on_crash: Callable[[Item], Result],
    ) -> Iterator[Result]:
        """Yield function(batch) for each batch, in order, as `processes.map_batches` does.

        Where a process is lost with a batch, the results are those of smaller batches of the same
        items, and on_crash(item) for the item that loses every process.
        """
        ahead = AHEAD * self.num_cores
        tasks: deque[tuple[Sequence[Item], Any]] = deque()
        for batch in chain(batches, [None] * ahead):
            if batch is not None:
                tasks.append((batch, self._submit(function, batch)))
            if tasks and (batch is None or len(tasks) > ahead):
                yield from self._take(function, *tasks.popleft(), on_crash)

    def _take(
        self,
        function: Callable[[Sequence[Item]], Result],
        batch: Sequence[Item],
        task: Any,
        on_crash: Callable[[Item], Result],
    ) -> Iterator[Result]:
        """The result of a task; where it is lost, those of both halves of its batch."""
        try:
            result: Result = self._get(task)
        except _LostError:
            middle = len(batch) // 2
            if not middle:
                try:
                    result = self._insist(lambda: self._submit(function, batch))
                except ChildProcessError:
                    result = on_crash(batch[0])
                yield result
                return
            halves = [(half, self._submit(function, half)) for half in _halve(batch, middle)]
            for half, one in halves:
                yield from self._take(function, half, one, on_crash)
        else:
            yield result

    def _insist(self, submit: Callable[[], Any]) -> Any:
        """The result of a task that is begun again where it is lost; else ChildProcessError."""
        for _ in range(ATTEMPTS):
            with suppress(_LostError):
                return self._get(submit())
        raise ChildProcessError(
            f"its process was lost {ATTEMPTS} times, perhaps for want of memory"
        )

    def _submit(self, function: Callable[..., Any], *arguments: object) -> Any:
        return self._task.remote(self._home, function, arguments)

    def _get(self, task: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(task)
        except errors.RayTaskError as error:  # its text is a traceback of two machines
            cause = error.cause
        except self._lost:
            raise _LostError from None
        except errors.RayError as error:
            cause = error
        if isinstance(cause, errors.RayError):
            raise ConnectionError(f"Ray cannot run a task: {_first_line(cause)}")
        raise cause


def find_places(nodes: list[dict[str, Any]], own: str, cores: int, gpus: int) -> list[str]:
    """See Session.list_places; the nodes are as Ray lists them."""
    alive = {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}
    most = max(int(has.get("CPU", 0)) for has in alive.values())
    cores = max(1, min(cores, most))
    rooms = {}
    for name in sorted(alive, key=own.__eq__):  # the own one last
        room = int(alive[name].get("CPU", 0)) // cores
        if gpus:
            room = min(room, int(alive[name].get("GPU", 0)) // gpus)
        rooms[name] = room - (name == own)
    rounds = range(max(rooms.values()))
    return [name for number in rounds for name, room in rooms.items() if number < room]


class Shared(NamedTuple, Generic[Value]):
    """A value of the process that has the session, which each machine fetches but once."""

    reference: Any

    def get(self) -> Value:
        """The value, in a task."""
        value: Value = _import_ray().get(self.reference)
        return value


class Task:
    """A task at work, which returns nothing."""

    def __init__(self, session: Session, task: Any) -> None:
        self._session, self._task = session, task

    def has_ended(self) -> bool:
        """Whether it is over, whatever ended it: its function, or with its process or machine.

        InputError or ImportError where the machine lacks what it needs.
        """
        if not self._session._ray.wait([self._task], timeout=0)[0]:
            return False
        try:
            self._session._get(self._task)
        except Exception as error:
            if isinstance(error, InputError | ImportError):
                raise
        return True

    def end(self) -> None:
        """End its process, whatever it does."""
        self._session._ray.cancel(self._task, force=True)


class _LostError(Exception):
    """The process or machine of a task, or what it has returned, is gone."""


class _Home(NamedTuple):
    """What a task shall find as this process has it."""

    folder: str
    threads: str | None


def _run(home: _Home, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    os.environ[INSIDE] = "1"
    os.environ.pop(THREADS, None)  # Ray sets it by the task's cores
    if home.threads is not None:
        os.environ[THREADS] = home.threads
    try:
        os.chdir(home.folder)
    except OSError as error:
        where = f"{home.folder}: not on {socket.gethostname()}"
        raise InputError(f"{where} ({error.strerror}); all machines must share it") from None
    return function(*arguments)


@contextmanager
def open_session(address: str) -> Iterator[Session]:
    """Start Ray for the block (`local`), or join one that runs (`auto`, HOST:PORT).

    InputError where Ray is not installed, or does not answer there.
    """
    ours = {**ENVIRONMENT, TOKEN: _token()} if address == "local" else _fill_in(ENVIRONMENT)
    with _setting(ours):
        ray = _import_ray()
        with _keeping_sigterm():
            _start(ray) if address == "local" else _join(ray, address)
        try:
            yield Session(ray)
        finally:
            ray.shutdown(wait_for_processes=address == "local")


def _import_ray() -> Any:
    try:
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ImportError:
        raise InputError(
            "compute.cluster: Ray is not installed; pip install -e '.[cluster]', or set it to null"
        ) from None
    return ray


def _start(ray: Any) -> None:
    """Start Ray on 127.0.0.1, which it would take for an address that others cannot reach."""
    services = ray._private.services
    find_address, services.get_node_ip_address = services.get_node_ip_address, lambda *_: LOOPBACK
    try:
        _connect(
            ray,
            "local",
            num_cpus=count_cores(),
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            _node_ip_address=LOOPBACK,
        )
    except (OSError, RuntimeError, ray.exceptions.RayError) as error:
        raise InputError(f"compute.cluster: Ray does not start ({_first_line(error)})") from None
    finally:
        services.get_node_ip_address = find_address


def _join(ray: Any, address: str) -> None:
    advice = "start it with `ray start`, or set it to null"
    try:
        if address != "auto":
            host, _, port = address.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        _connect(ray, address)
    except (OSError, RuntimeError, ray.exceptions.RayError) as error:
        where = f"compute.cluster: no Ray answers at {address}"
        raise InputError(f"{where} ({_first_line(error)}); {advice}") from None


def _connect(ray: Any, address: str, **options: Any) -> None:
    """Have tasks run the code that runs here, rather than what their machine has installed."""
    code = f"{SOURCE}{os.pathsep}${{PYTHONPATH}}"  # Ray fills in the machine's own
    ray.init(
        address=address,
        runtime_env={"env_vars": {"PYTHONPATH": code}},
        log_to_driver=False,
        logging_level=logging.ERROR,
        **options,
    )


def _fill_in(wanted: dict[str, str]) -> dict[str, str]:
    """Of these variables those that nobody has set: a cluster's users know how theirs runs."""
    return {name: value for name, value in wanted.items() if name not in os.environ}


@contextmanager
def _setting(variables: dict[str, str]) -> Iterator[None]:
    """Lend the environment these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@cache
def _token() -> str:
    """One for all sessions of this process, as Ray reads it but once."""
    return secrets.token_hex(32)


@contextmanager
def _keeping_sigterm() -> Iterator[None]:
    """Ray puts a handler of its own in the place of whoever waits for the signal."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _halve(batch: Sequence[Item], middle: int) -> tuple[Sequence[Item], Sequence[Item]]:
    return batch[:middle], batch[middle:]


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
