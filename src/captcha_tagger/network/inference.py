"""The model's answers on many images, always in float32 and eval mode."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from captcha_tagger.data.images import LabelledImages
from captcha_tagger.network.tagger import Tagger

BATCH = 64


@torch.no_grad()
def infer_logits(model: Tagger, images: LabelledImages) -> NDArray[np.float32]:
    """Logits (images, labels) in the images' order; leaves the model in eval mode."""
    model.eval()
    parts = [model(images.pixels(picks)).cpu() for picks in images.batches(BATCH)]
    return torch.cat(parts).numpy()


def infer(model: Tagger, images: LabelledImages) -> tuple[NDArray[np.float32], float]:
    """Probs (images, labels) and the mean binary cross-entropy; leaves the model in eval mode."""
    logits = torch.from_numpy(infer_logits(model, images))
    loss = functional.binary_cross_entropy_with_logits(logits, images.targets.cpu())
    return torch.sigmoid(logits).numpy(), float(loss)
