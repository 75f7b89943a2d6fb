"""The model as MLflow loads it: rows with an image in; text, labels and probs out.

It unpickles nothing, and imports of MLflow its error alone: `_load_pyfunc` is called by name with
the folder of weights.safetensors and model.json. An image is encoded bytes, base64 of them (as JSON
needs) or an array; a string is never taken for a path.
"""

import base64
import binascii
from pathlib import Path
from typing import Any

import numpy as np

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.processes import in_batches
from captcha_tagger.predict.arrays import COLUMN, encode
from captcha_tagger.predict.predictor import BATCH, Predictor
from captcha_tagger.source.decoding import Pixels


class ServedTagger:
    """What `mlflow.pyfunc.load_model(...).unwrap_python_model()` calls `predict` of."""

    def __init__(self, folder: Path) -> None:
        self._predictor = Predictor(folder)

    def predict(self, images: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """A Prediction's plain values for each row of the column `image`.

        MLflow's own error says why an image cannot be used: of any other the server hides the
        reason, and shows a stack trace with its paths.
        """
        try:
            pixels = self.decode(images)
        except InputError as error:
            raise _refuse(error) from None
        return [found.as_dict() for found in self._predictor.predict(pixels)]

    def decode(self, images: Any) -> list[Pixels]:
        """The decoded rows; InputError says which is no image, and why."""
        pixels = list[Pixels]()
        for batch in in_batches(images[COLUMN], BATCH):
            first = len(pixels)
            encoded = [_encode(*row) for row in enumerate(batch, first)]
            for number, decoded in enumerate(self._predictor.decode(encoded), first):
                if isinstance(decoded, InputError):
                    raise _blame(number, decoded)
                pixels.append(decoded)
        return pixels


def _encode(number: int, image: Any) -> bytes:
    try:
        read = _read(image)
        return read if isinstance(read, bytes) else encode(read)
    except InputError as error:
        raise _blame(number, error) from None


def _blame(number: int, error: InputError) -> InputError:
    return InputError(f"image {number}: {error}")


def _refuse(error: InputError) -> Exception:
    """The error that MLflow's server answers with status 400 and the reason."""
    from mlflow.exceptions import MlflowException  # who serves the model has it, nobody else needs

    refusal: Exception = MlflowException.invalid_parameter_value(str(error))
    return refusal


def _load_pyfunc(path: str) -> ServedTagger:
    return ServedTagger(Path(path))


def _read(image: Any) -> bytes | np.ndarray[Any, Any]:
    if isinstance(image, bytes | np.ndarray):
        return image
    if isinstance(image, str):
        try:
            return base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError):
            raise InputError("a string must be the base64 of an image file") from None
    if isinstance(image, list):
        try:
            return np.array(image)
        except ValueError:
            raise InputError("a nested list must be a rectangular array") from None
    raise InputError(f"a {type(image).__name__} is no image")
