"""Which rows of the manifest train a model, and which are held out: parts.json -> rows."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json


class Parts(NamedTuple):
    """The rows of each part, sorted."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def read_parts(path: Path, num_rows: int) -> Parts:
    """The parts of so many rows; InputError when they are not those of these rows."""
    content = read_json(path)
    try:
        parts = Parts(*(np.array(content[name], np.int64) for name in Parts._fields))
        fits = all(((part >= 0) & (part < num_rows)).all() for part in parts)
    except (LookupError, TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise InputError(f"{path}: not the parts of {num_rows} images; run dvc repro split")
    return parts
