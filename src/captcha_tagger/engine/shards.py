"""The gradient of a step as a sum over shards, whose bits do not depend on who computes which.

A batch falls into a fixed number of shards, a power of two. Each is a batch of its own to BatchNorm
and to dropout. Gradients, changes of buffers and losses, each shard's by its share of the batch,
are added in a binary tree over the shards. So a process with a part of the shards adds up a subtree
of it, and the sums of all processes are added in the rest: the same sums in the same order, however
many processes there are, and threads in each.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from captcha_tagger.base.work.threads import start_threads

RANDOM = ("Drop", "Stochastic")  # in the names of layers that draw numbers


class Objective(Protocol):
    """The loss of a step in shards."""

    def __call__(self, step: int, shard: int) -> Tensor:
        """The mean loss of the shard's images times the shard's share."""

    def share(self, step: int, shard: int) -> float:
        """The shard's share of the batch: 0 where there are fewer images than shards."""

    def on(self, model: Any) -> Self:
        """The same loss, for a copy of the model."""


class Shards:
    """Called with a step: leaves its gradients and buffers in the model and returns its loss.

    On a CPU, shards are computed on several threads at once, each with its share of `threads`; one
    after the other, with all of torch's threads, where the model draws random numbers.
    """

    def __init__(self, model: nn.Module, objective: Objective, number: int, threads: int) -> None:
        self.number = number
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._buffers = list(model.buffers())
        self._device = self._parameters[0].device
        self._sizes = [tensor.numel() for tensor in (*self._parameters, *self._buffers)] + [1]
        one_by_one = self._device.type == "cuda" or _draws(model)
        at_once = 1 if one_by_one else count_workers(threads, number)
        self._copies = [_Copy(model, objective) for _ in range(at_once)]
        self._pool = start_threads(at_once, threads if one_by_one else max(1, threads // number))

    def __call__(self, step: int) -> Tensor:
        return self.put(self.add_up(step, 0, self.number))

    def add_up(self, step: int, first: int, count: int) -> Tensor:
        """The sum (values,) of so many shards, on the model's device; the model stays as it is."""
        parts = count_workers(len(self._copies), count)
        each = count // parts
        starts = range(first, first + count, each)
        add = partial(self._add_up_part, step, each)
        if self._device.type == "cuda":  # the current GPU is a setting of each thread
            return add(self._copies[0], first)
        sums = list(self._pool.map(add, self._copies, starts))
        return add_pairwise(sums.__getitem__, 0, parts)

    def put(self, total: Tensor) -> Tensor:
        """Give the model the gradients and the changes in the sum over all shards; the loss."""
        pieces = torch.split(total.to(self._device), self._sizes)
        for parameter, piece in zip(self._parameters, pieces, strict=False):
            # In the parameter's own memory order, which fused optimizers expect.
            parameter.grad = torch.empty_like(parameter).copy_(piece.view(parameter.shape))
        changes = pieces[len(self._parameters) :]
        for buffer, piece in zip(self._buffers, changes, strict=False):
            change = piece.view(buffer.shape)
            buffer += change if buffer.is_floating_point() else change.round().to(buffer.dtype)
        return pieces[-1][0]

    def _add_up_part(self, step: int, count: int, copy: "_Copy", first: int) -> Tensor:
        def differentiate(shard: int) -> Tensor:
            if not copy.objective.share(step, shard):
                return torch.zeros(sum(self._sizes), device=self._device)
            return copy.differentiate(step, shard, self._buffers)

        return add_pairwise(differentiate, first, count)


class _Copy:
    """The model for one thread: the same parameters, and buffers of its own."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        twin = deepcopy(model)
        for own, shared in zip(twin.parameters(), model.parameters(), strict=True):
            own.data = shared.data
        self.objective = objective.on(twin)
        self._parameters = [p for p in twin.parameters() if p.requires_grad]
        self._buffers = list(twin.buffers())

    def differentiate(self, step: int, shard: int, buffers: Sequence[Tensor]) -> Tensor:
        """Gradients, changes of the model's buffers and loss, one after the other (values,)."""
        for own, before in zip(self._buffers, buffers, strict=True):
            own.copy_(before)
        loss = self.objective(step, shard)
        gradients = torch.autograd.grad(loss, self._parameters)
        share = self.objective.share(step, shard)
        changes = [
            (own - before) * share for own, before in zip(self._buffers, buffers, strict=True)
        ]
        # The loss of what reads is on the CPU.
        parts = [*gradients, *changes, loss.detach().to(gradients[0].device)]
        return torch.cat([part.reshape(-1).float() for part in parts])


def count_workers(wanted: int, shards: int) -> int:
    """How many workers there is an equal part of the shards for: a power of two."""
    return 1 << (min(wanted, shards).bit_length() - 1)


def add_pairwise(leaf: Callable[[int], Tensor], first: int, count: int) -> Tensor:
    """leaf(first) + ... + leaf(first + count - 1), half and half; `count` is a power of two."""
    if count == 1:
        return leaf(first)
    half = count // 2
    return add_pairwise(leaf, first, half) + add_pairwise(leaf, first + half, half)


def _draws(model: nn.Module) -> bool:
    """Whether the model draws random numbers: torch has one source of them for all threads."""
    return any(name in type(layer).__name__ for layer in model.modules() for name in RANDOM)
