"""The prob above which a label is predicted: chosen on training images, never on scored ones."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captcha_tagger.base.work.threads import map_on_threads
from captcha_tagger.data.images import LabelledImages
from captcha_tagger.network.inference import BATCH, count_threads
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.training.augmentation import augment

GRID = np.round(np.linspace(0.05, 0.95, 91), 2)


def choose_threshold(model: Tagger, train: LabelledImages, seed: int) -> float:
    """The threshold with (nearly) the most exact sets on augmented training images.

    Augmentation makes them harder than the images the model has fitted, hence nearer to new ones.
    """
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    images = (augment(train.pixels(picks), generator) for picks in train.batches(BATCH))
    probs = [*map_on_threads(partial(_find_probs, model), images, count_threads(train.device))]
    return best_threshold(torch.cat(probs).numpy(), train.targets.cpu().numpy())


@torch.no_grad()
def _find_probs(model: Tagger, pixels: Tensor) -> Tensor:
    return torch.sigmoid(model(pixels)).cpu()


def best_threshold(probs: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """The threshold nearest to 0.5 whose exact sets (of probs and targets (images, labels)) are
    within one standard error of the most, and at least within one image.

    Source: the one-standard-error rule of Breiman et al., "Classification and Regression Trees"
    (1984), section 3.4.3; without it, a single image moves the threshold.
    """
    actual = targets > 0.5
    exact = np.array([((probs > threshold) == actual).all(1).sum() for threshold in GRID])
    share = exact.max() / len(probs)
    error = max(1.0, np.sqrt(len(probs) * share * (1 - share)))  # in images
    good = GRID[exact >= exact.max() - error]
    return float(good[np.argmin(np.abs(good - 0.5))])
