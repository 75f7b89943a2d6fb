import numpy as np
import pytest
import torch
from torch import Tensor, nn

from captcha_tagger.data.images import LabelledImages
from captcha_tagger.training.threshold import best_threshold, choose_threshold
from tests.conftest import make_tagger


def test_the_best_threshold_nearest_to_a_half_is_chosen() -> None:
    targets = np.array([[1, 0], [0, 1]], np.float32)
    probs = np.array([[0.42, 0.2], [0.1, 0.7]], np.float32)
    targets, probs = np.tile(targets, (50, 1)), np.tile(probs, (50, 1))
    assert best_threshold(probs, targets) == 0.41
    assert best_threshold(probs + 0.25, targets) == 0.5
    assert best_threshold(probs + 0.345, targets) == 0.55


def test_a_single_image_does_not_move_it() -> None:
    targets = np.zeros((400, 2), np.float32)
    probs = np.full((400, 2), 0.1, np.float32)
    probs[0, 0] = 0.7  # a threshold above 0.7 would get one more right
    assert best_threshold(probs, targets) == 0.5


def test_the_choice_is_repeatable(images: LabelledImages) -> None:
    model = make_tagger()
    assert choose_threshold(model, images, seed=1) == choose_threshold(model, images, seed=1)
    first = choose_threshold(model, images, seed=2)
    torch.rand(3)
    assert choose_threshold(model, images, seed=2) == first


class ByBrightness(nn.Module):
    """Sees a label by how bright its band is: `absent` is the prob of a dark one."""

    def __init__(self, absent: float, present: float) -> None:
        super().__init__()
        self.ends = torch.logit(torch.tensor([absent, present]))

    def forward(self, pixels: Tensor) -> Tensor:
        bands = pixels.float().reshape(len(pixels), 4, 6, 48).mean((2, 3))
        share = ((bands - 40) / 70).clamp(0, 1)  # a band without a bar is 30 bright, with one 115
        return self.ends[0] + share * (self.ends[1] - self.ends[0])


@pytest.mark.parametrize(("absent", "present"), [(0.7, 0.9), (0.1, 0.3)])
def test_the_choice_lies_between_what_is_absent_and_what_is_present(
    images: LabelledImages, absent: float, present: float
) -> None:
    chosen = choose_threshold(ByBrightness(absent, present), images, seed=0)  # type: ignore[arg-type]
    assert absent < chosen < present
