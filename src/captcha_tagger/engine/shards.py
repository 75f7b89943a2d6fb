"""The gradient of a step as a sum over shards, whose bits do not depend on who computes which.

A batch falls into a fixed number of shards, a power of two. Each is a batch of its own to BatchNorm
and to dropout. Gradients, changes of buffers and losses, each shard's by its share of the batch,
are added in a binary tree over the shards. So a process with a part of the shards adds up a subtree
of it, and the sums of all processes are added in the rest: the same sums in the same order, however
many processes there are.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn


class Objective(Protocol):
    """The loss of a step in shards."""

    def __call__(self, step: int, shard: int) -> Tensor:
        """The mean loss of the shard's images times the shard's share."""

    def share(self, step: int, shard: int) -> float:
        """The shard's share of the batch: 0 where there are fewer images than shards."""


class Shards:
    """Called with a step: leaves its gradients and buffers in the model and returns its loss."""

    def __init__(self, model: nn.Module, objective: Objective, number: int) -> None:
        self.number = number
        self._objective = objective
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._buffers = list(model.buffers())
        self._device = self._parameters[0].device
        self._sizes = [tensor.numel() for tensor in (*self._parameters, *self._buffers)] + [1]

    def __call__(self, step: int) -> Tensor:
        return self.put(self.add_up(step, 0, self.number))

    def add_up(self, step: int, first: int, count: int) -> Tensor:
        """The sum (values,) of so many shards, on the model's device; the model stays as it is."""
        return add_pairwise(lambda shard: self._differentiate(step, shard), first, count)

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

    def _differentiate(self, step: int, shard: int) -> Tensor:
        share = self._objective.share(step, shard)
        if not share:
            return torch.zeros(sum(self._sizes), device=self._device)
        before = [buffer.clone() for buffer in self._buffers]
        loss = self._objective(step, shard)
        gradients = torch.autograd.grad(loss, self._parameters)
        changes = []
        for buffer, old in zip(self._buffers, before, strict=True):
            changes.append((buffer - old) * share)
            buffer.copy_(old)
        parts = [*gradients, *changes, loss.detach().to(self._device)]
        return torch.cat([part.reshape(-1).float() for part in parts])


def add_pairwise(leaf: Callable[[int], Tensor], first: int, count: int) -> Tensor:
    """leaf(first) + ... + leaf(first + count - 1), half and half; `count` is a power of two."""
    if count == 1:
        return leaf(first)
    half = count // 2
    return add_pairwise(leaf, first, half) + add_pairwise(leaf, first + half, half)
