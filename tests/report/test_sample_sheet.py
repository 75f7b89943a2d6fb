"""The augmented copies that fine_tune leaves for the page's sample sheet."""

import numpy as np
import pytest

from captcha_tagger.data.dataset import Dataset
from captcha_tagger.data.sheet import SHEET_IMAGES, pick_samples
from captcha_tagger.params import load_params
from captcha_tagger.training.phases import augment_samples
from tests.conftest import VOCABULARY, make_arrays
from tests.repository import PARAMS_FILE


@pytest.fixture(scope="module")
def data():
    pixels, targets = make_arrays(60)
    return Dataset(pixels, [], VOCABULARY, targets, np.arange(40), np.arange(40, 60))


@pytest.fixture(scope="module")
def params():
    return load_params(PARAMS_FILE).fine_tune


def test_each_sample_has_its_augmented_copy(data, params):
    copies = augment_samples(data, params)
    originals = data.pixels[pick_samples(data.train.tolist())]
    assert copies.shape == originals.shape
    assert copies.dtype == np.uint8
    assert len(copies) == SHEET_IMAGES
    for copy, original in zip(copies, originals, strict=True):
        assert (copy != original).any()
        assert abs(copy.mean() - original.mean()) < 40


def test_the_same_params_give_the_same_copies(data, params):
    assert (augment_samples(data, params) == augment_samples(data, params)).all()


def test_without_augmentation_there_are_no_copies(data, params):
    plain = params.model_copy(update={"augment": False})
    assert augment_samples(data, plain).shape == (0, *data.pixels.shape[1:])
