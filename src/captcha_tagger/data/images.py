"""Labelled images in training order: rows of the packed pixel array on the computing device."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

RESIDENT_BYTES = 1 << 30  # up to here the pixels live on the device, above they stay on disk


class LabelledImages:
    """Some rows of a (images, channels, height, width) uint8 array and their targets."""

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        targets: NDArray[np.float32],
        rows: NDArray[np.int64],
        device: torch.device,
    ) -> None:
        self.device = device
        self.targets = torch.from_numpy(targets[rows]).to(device)
        self.rows = rows
        self._on_disk = pixels
        self._resident: Tensor | None = None
        if len(rows) * pixels[:1].nbytes <= RESIDENT_BYTES:
            self._resident = torch.from_numpy(pixels[rows]).to(device)

    def __len__(self) -> int:
        return len(self.rows)

    def pixels(self, picks: Tensor) -> Tensor:
        """Uint8 pixels (batch, channels, height, width) of the picked images, on the device."""
        if self._resident is not None:
            return self._resident[picks.to(self.device)]
        return torch.from_numpy(self._on_disk[self.rows[picks.numpy()]]).to(self.device)

    def batches(self, size: int) -> Iterator[Tensor]:
        """The picks of consecutive batches, all images in order."""
        yield from torch.split(torch.arange(len(self)), size)
