"""Processes that train as one: each adds up its part of a step's shards, and all exchange the sums.

Every one keeps the whole model and optimizer and takes every step with the same bits, so that what
one knows is what all know. This process, the first, alone scores and saves. When another is lost it
starts all others anew from its own state, and takes the step again: nothing is lost with them.
Where there is no room for as many any more, fewer go on, to the same bits.
"""

import io
import pickle
import socket
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._C._distributed_c10d import AllgatherOptions, ProcessGroupGloo, TCPStore, Work

from captcha_tagger.engine.launch import Launcher
from captcha_tagger.engine.loop import set_rates
from captcha_tagger.engine.shards import Shards, add_pairwise, count_workers

MOST_LOSSES = 3  # at one step: then it is not chance
LONGEST_MEETING = timedelta(minutes=5)
LONGEST_STEP = timedelta(minutes=10)  # then a machine that went without a word is taken for lost
LONGEST_WAIT = timedelta(days=1)  # the others wait while the first scores an epoch
ARRIVED, READY = "arrived", "ready"  # keys of the store that count who is
POLL_SECONDS = 0.05


class Member(NamedTuple):
    """What each of the processes has of the training."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    shards: Shards


Job = Callable[[dict[str, Any]], Member]  # a state -> the training, anywhere


class Crew:
    """As Shards, by up to `wanted` processes: called with a step, leaves gradients in the model.

    They listen on the launcher's address alone, and ask nobody there who they are.
    """

    def __init__(
        self, me: Member, job: Job, launcher: Launcher, wanted: int, num_steps: int
    ) -> None:
        self._me, self._job, self._launcher = me, job, launcher
        self._wanted, self._num_steps = wanted, num_steps
        self._coming = wanted  # how many come where there is room for more
        self._ring: _Ring | None = None

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._dismiss()

    def __call__(self, step: int) -> Tensor:
        for _ in range(MOST_LOSSES):
            try:
                self._ring = self._ring or self._muster(step)
                return self._ring.take(self._me.shards, step)
            except LostError:
                print(f"a worker was lost at step {step}; starting all again", file=sys.stderr)
                self._dismiss()
        raise ChildProcessError(
            f"workers were lost {MOST_LOSSES} times at step {step}, perhaps for want of memory; "
            "run again with fewer compute.workers, and training goes on where it was saved"
        )

    def _muster(self, step: int) -> "_Ring":
        """Start the others, meet them, and tell them where this process is."""
        host, size = self._launcher.address, self._count()
        if size < self._wanted:
            print(f"{size} of {self._wanted} workers: there is no room for more", file=sys.stderr)
        family = socket.getaddrinfo(host, 0)[0][0]
        listener = socket.create_server((host, 0), family=family)  # the store's is on every address
        port = listener.getsockname()[1]
        store = TCPStore(
            host, port, is_master=True, master_listen_fd=listener.detach(), wait_for_workers=False
        )
        self._launcher.launch(work, [(host, port, size, rank) for rank in range(1, size)])
        self._wait(store, ARRIVED, size, LONGEST_MEETING)
        ring = _Ring(store, 0, size, host, LONGEST_STEP)
        state = {name: getattr(self._me, name).state_dict() for name in ("model", "optimizer")}
        ring.broadcast(_pack(state))
        ring.broadcast(pickle.dumps((self._job, step, self._num_steps)))
        self._wait(store, READY, size, LONGEST_WAIT)
        return ring

    def _wait(self, store: TCPStore, key: str, size: int, longest: timedelta) -> None:
        """Wait for all others; of those that do not come in time, none is waited for again."""
        ends = time.monotonic() + longest.total_seconds()
        while (number := store.add(key, 0)) < size - 1:
            if time.monotonic() > ends:
                self._coming = 1 + number
                raise LostError
            if self._launcher.any_ended() or self._count() < size:
                raise LostError
            time.sleep(POLL_SECONDS)

    def _count(self) -> int:
        """How many processes there are shards and room for."""
        return count_workers(min(self._coming, 1 + self._launcher.room()), self._me.shards.number)

    def _dismiss(self) -> None:
        self._launcher.end()
        self._ring = None


class LostError(Exception):
    """A process of the crew has ended, or does not answer."""


def work(host: str, port: int, size: int, rank: int) -> None:
    """What every other process does: the same steps, without scoring and saving."""
    if torch.cuda.is_available():
        torch.cuda.set_device(rank % torch.cuda.device_count())
    store = TCPStore(host, port, is_master=False)
    store.add(ARRIVED, 1)
    try:
        ring = _Ring(store, rank, size, _face(host, port), LONGEST_WAIT)
        state = torch.load(io.BytesIO(ring.broadcast()), map_location="cpu", weights_only=True)
        job, first, num_steps = pickle.loads(ring.broadcast())
        _, optimizer, shards = job(state)
        store.add(READY, 1)
        for step in range(first, num_steps):
            set_rates(optimizer, step, num_steps)
            optimizer.zero_grad(set_to_none=True)
            ring.take(shards, step)
            optimizer.step()
    except LostError:
        return  # the first starts whoever is needed


def _face(host: str, port: int) -> str:
    """Of this machine's addresses the one that faces the host; nothing is sent there."""
    family = socket.getaddrinfo(host, port)[0][0]
    with socket.socket(family, socket.SOCK_DGRAM) as connection:
        connection.connect((host, port))
        return connection.getsockname()[0]


def _pack(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


class _Ring:
    """The connections between all processes, over gloo: on CPUs, also where a GPU computes."""

    def __init__(
        self, store: TCPStore, rank: int, size: int, address: str, longest_wait: timedelta
    ) -> None:
        self._rank, self._size = rank, size
        options = ProcessGroupGloo._Options()  # type: ignore[attr-defined]
        options._devices = [ProcessGroupGloo.create_device(hostname=address)]
        options._timeout = LONGEST_MEETING
        self._exchange = AllgatherOptions()
        self._exchange.timeout = longest_wait
        try:
            self._group: Any = ProcessGroupGloo(store, rank, size, options)
        except RuntimeError:
            raise LostError from None

    def broadcast(self, content: bytes = b"") -> bytes:
        """What the first process has.

        A process started with so much would be waited for without end where it dies before reading.
        """
        size = torch.tensor([len(content)])
        self._wait(self._group.broadcast([size]))
        room = torch.frombuffer(bytearray(content or int(size)), dtype=torch.uint8)
        self._wait(self._group.broadcast([room]))
        return room.numpy().tobytes()

    def take(self, shards: Shards, step: int) -> Tensor:
        """Add up this process's part, exchange, add up all; the loss of the step."""
        part = shards.number // self._size
        own = shards.add_up(step, self._rank * part, part).cpu()
        sums = [torch.empty_like(own) for _ in range(self._size)]
        self._wait(self._group.allgather([sums], [own], self._exchange))
        return shards.put(add_pairwise(sums.__getitem__, 0, self._size))

    def _wait(self, work: Work) -> None:
        try:
            work.wait()
        except RuntimeError:
            raise LostError from None
