from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from captcha_tagger.data.dataset import Dataset
from captcha_tagger.data.labels import encode_texts
from captcha_tagger.data.manifest import Row
from captcha_tagger.training.params import FineTune, TrainHead
from tests.conftest import VOCABULARY, make_arrays
from tests.training.test_start import PARAMS, save_synthetic


@dataclass(frozen=True)
class TinyRecipe:
    train_head: TrainHead
    fine_tune: FineTune


RECIPE = TinyRecipe(
    PARAMS,
    FineTune(
        epochs=2,
        batch_size=8,
        shards=1,
        learning_rates=[0.001, 0.001],
        weight_decay=0.0,
        ema_decay=0.0,
        augment=False,
        threshold=0.5,
        seed=0,
    ),
)


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    save_synthetic(tmp_path / "backbone")
    return tmp_path / "backbone"


@pytest.fixture
def data() -> Dataset:
    """Every image is in the training part, and has a text of its own."""
    pixels, _ = make_arrays()
    texts = ["".join(letters) for n in (1, 2, 3) for letters in permutations(VOCABULARY, n)]
    rows = [Row(f"{n}.png", text, str(n), 48, 24) for n, text in enumerate(texts[: len(pixels)])]
    targets = encode_texts([row.text for row in rows], VOCABULARY)
    every = np.arange(len(rows))
    return Dataset(pixels, rows, VOCABULARY, targets, every, np.array([], np.int64))
