import numpy as np
import torch

from captcha_tagger.images import LabelledImages
from captcha_tagger.thresholds import GRID, best_threshold, choose_threshold
from tests.conftest import make_tagger


def test_the_middle_of_the_best_thresholds_is_chosen() -> None:
    targets = np.array([[1, 0], [0, 1]], np.float32)
    probs = np.array([[0.6, 0.2], [0.1, 0.7]], np.float32)
    threshold = best_threshold(probs, targets)
    assert 0.38 <= threshold <= 0.42
    assert threshold in GRID


def test_the_choice_is_repeatable(images: LabelledImages) -> None:
    model = make_tagger()
    assert choose_threshold(model, images, seed=1) == choose_threshold(model, images, seed=1)
    torch.rand(3)
    assert 0 < choose_threshold(model, images, seed=2) < 1
