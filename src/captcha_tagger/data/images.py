"""Labelled images in training order: rows of the packed pixel array on the computing device."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captcha_tagger.data.pixels import open_pixels

RESIDENT_BYTES = 1 << 30  # up to here the pixels live on the device, above they stay on disk


class LabelledImages:
    """Some rows of a (images, channels, height, width) uint8 array and of its targets.

    `texts` are those of these rows alone, labels by number (rows, longest) filled up with -1; they
    stay on the CPU.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        targets: NDArray[np.float32],
        texts: NDArray[np.int64],
        rows: NDArray[np.int64],
        device: torch.device,
    ) -> None:
        self.device = device
        self.targets = torch.from_numpy(targets[rows]).to(device)
        self.texts = torch.from_numpy(texts)
        self.rows = rows
        self._on_disk = pixels
        self._resident = self._load()

    def __getstate__(self) -> dict[str, Any]:
        """Without the pixels, where those lie in a file: another process maps it again."""
        file = getattr(self._on_disk, "filename", None)
        on_disk = self._on_disk if file is None else Path(file).resolve()
        return {**self.__dict__, "_on_disk": on_disk, "_resident": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self._on_disk, Path):
            self._on_disk = open_pixels(self._on_disk)
        self._resident = self._load()

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of each image."""
        return self._on_disk.shape[1:]

    def __len__(self) -> int:
        return len(self.rows)

    def pixels(self, picks: Tensor) -> Tensor:
        """Uint8 pixels (batch, channels, height, width) of the picked images, on the device."""
        if self._resident is not None:
            return self._resident[picks.to(self.device)]
        return torch.from_numpy(self._on_disk[self.rows[picks.numpy()]]).to(self.device)

    def _load(self) -> Tensor | None:
        """The pixels on the device, where there is room for them."""
        if len(self.rows) * self._on_disk[:1].nbytes > RESIDENT_BYTES:
            return None
        return torch.from_numpy(self._on_disk[self.rows]).to(self.device)

    def spell(self, vocabulary: Sequence[str]) -> list[str]:
        """The texts in characters."""
        return ["".join(vocabulary[i] for i in text if i >= 0) for text in self.texts.tolist()]

    def batches(self, size: int) -> Iterator[Tensor]:
        """The picks of consecutive batches, all images in order."""
        yield from torch.split(torch.arange(len(self)), size)
