from dataclasses import replace

import numpy as np
import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.commands.lr_find import HIGHEST, LOWEST, find_rate
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.data.manifest import Row
from captcha_tagger.engine.compute import Machine
from tests.conftest import VOCABULARY, make_arrays, make_tagger
from tests.training.test_start import PARAMS as HEAD_PARAMS

PARAMS = HEAD_PARAMS.model_copy(update={"batch_size": 8})


@pytest.fixture
def everything() -> Dataset:
    """Each image in both parts."""
    pixels, targets = make_arrays()
    rows = [Row(f"{i}.png", "a", str(i), 48, 24) for i in range(len(pixels))]
    return Dataset(pixels, rows, VOCABULARY, targets, np.arange(len(rows)), np.arange(len(rows)))


def test_rates_grow_and_the_suggestion_lies_where_the_loss_falls(
    everything: Dataset, machine: Machine
) -> None:
    test = find_rate(make_tagger(), everything, PARAMS, machine)
    assert test.rates[0] == pytest.approx(LOWEST)
    assert np.all(np.diff(test.rates) > 0)
    assert test.rates[-1] <= HIGHEST
    step = test.rates.index(test.suggestion)
    assert test.losses[step + 1] < test.losses[step]
    assert min(test.losses) < 0.8 * test.losses[0]


@pytest.mark.parametrize("augment", [False, True])
def test_no_image_to_train_on_is_said(everything: Dataset, machine: Machine, augment: bool) -> None:
    nothing = replace(everything, train=np.arange(0))
    params = PARAMS.model_copy(update={"augment": augment})
    with pytest.raises(InputError, match=r"split\.train_images: 0 leaves no image"):
        find_rate(make_tagger(), nothing, params, machine)
