"""The model's answers on many images, always in float32 and eval mode."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from captcha_tagger.answers import Answers
from captcha_tagger.images import LabelledImages
from captcha_tagger.model import NoisyOrHead, Tagger
from captcha_tagger.saliency import grad_cam

BATCH = 64


def answer(model: Tagger, images: LabelledImages) -> Answers:
    """All that evaluate counts and the page shows; leaves the model in eval mode."""
    return Answers(images.rows, infer_logits(model, images), infer_evidence(model, images))


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


def infer_evidence(model: Tagger, images: LabelledImages) -> NDArray[np.float16]:
    """How much each position shows each label, in 0..1 (images, labels, rows, columns).

    A noisy-or head knows each position's prob; for other heads the maps are Grad-CAM's.
    """
    model.eval()
    look = _look if isinstance(model.head, NoisyOrHead) else grad_cam
    parts = [look(model, images.pixels(picks)).half().cpu() for picks in images.batches(BATCH)]
    return torch.cat(parts).numpy()


@torch.no_grad()
def _look(model: Tagger, pixels: Tensor) -> Tensor:
    return torch.sigmoid(model.evidence(pixels))
