"""The prob above which a label is predicted: chosen on training images, never on scored ones."""

import numpy as np
import torch
from numpy.typing import NDArray

from captcha_tagger.augmentation import augment
from captcha_tagger.images import LabelledImages
from captcha_tagger.inference import BATCH
from captcha_tagger.model import Tagger

GRID = np.round(np.linspace(0.05, 0.95, 91), 2)


@torch.no_grad()
def choose_threshold(model: Tagger, train: LabelledImages, seed: int) -> float:
    """The middle of the thresholds with the most exact sets on augmented training images.

    Augmentation makes them harder than the images the model has fitted, hence nearer to new ones.
    """
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    probs = [
        torch.sigmoid(model(augment(train.pixels(picks), generator))).cpu()
        for picks in train.batches(BATCH)
    ]
    return best_threshold(torch.cat(probs).numpy(), train.targets.cpu().numpy())


def best_threshold(probs: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """The middle one of the grid's thresholds with the most exact sets; (images, labels) both."""
    actual = targets > 0.5
    exact = np.array([((probs > threshold) == actual).all(1).sum() for threshold in GRID])
    best = GRID[exact == exact.max()]
    return float(best[len(best) // 2])
