"""One image or many -> labels, probs and the threshold; for the command line and the server.

A model folder -> Predictor. Images come as encoded bytes or as arrays of any size and mode, never
as paths: a server that opened paths would read its host's files to strangers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from captcha_tagger.checkpoint import load_model
from captcha_tagger.decoding import Pixels, decode
from captcha_tagger.errors import InputError

BATCH = 64
MAX_PIXELS = 20_000_000


@dataclass(frozen=True)
class Prediction:
    """The labels whose prob is above the threshold, and the prob of every label."""

    labels: list[str]
    probs: dict[str, float]
    threshold: float


class Predictor:
    """A loaded model with its preprocessing, vocabulary and threshold."""

    def __init__(self, folder: Path, device: torch.device | str = "cpu") -> None:
        self._model = load_model(folder, device)
        self._device = torch.device(device)
        self.card = self._model.card

    def decode(self, image: bytes | NDArray[Any]) -> Pixels:
        """Pixels in the model's shape; InputError says why the image cannot be used."""
        data = image if isinstance(image, bytes) else encode(image)
        card = self.card
        return decode(
            data,
            height=card.height,
            width=card.width,
            channels=card.channels,
            max_pixels=MAX_PIXELS,
        )

    def predict(self, pixels: Sequence[Pixels]) -> Iterator[Prediction]:
        """The predictions in the order of the decoded images, computed in batches."""
        for start in range(0, len(pixels), BATCH):
            for probs in self._infer(np.stack(pixels[start : start + BATCH])):
                named = {
                    label: float(prob)
                    for label, prob in zip(self.card.vocabulary, probs, strict=True)
                }
                labels = [label for label, prob in named.items() if prob > self.card.threshold]
                yield Prediction(labels, named, self.card.threshold)

    @torch.no_grad()
    def _infer(self, batch: Pixels) -> NDArray[np.float32]:
        probs = torch.sigmoid(self._model(torch.from_numpy(batch).to(self._device)))
        return probs.cpu().numpy()


def encode(array: NDArray[Any]) -> bytes:
    """An array (height, width) or (height, width, channels) of a usual image type, as PNG.

    So it takes the same way as a file. Integers up to 255 are 8 bits deep, above that 16 bits.
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] > 4):
        raise InputError(f"an array of shape {array.shape} is no (height, width[, channels])")
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"an array of {array.dtype} has no known white; give integers")
    low, high = int(array.min()), int(array.max())
    deep = array.dtype == np.uint16 or high > 255
    if low < 0 or high > 65535 or (deep and array.ndim == 3):
        raise InputError(f"an array with values from {low} to {high} is no image")
    buffer = BytesIO()
    image = Image.fromarray(array.astype(np.uint16 if deep else np.uint8))
    image.save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()
