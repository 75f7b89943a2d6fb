"""The final model asked about the validation part: its logits, and where it looked.

A model and images -> Answers.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captcha_tagger.data.images import LabelledImages
from captcha_tagger.evaluate.answers import Answers
from captcha_tagger.evaluate.saliency import grad_cam
from captcha_tagger.network.heads import NoisyOrHead
from captcha_tagger.network.inference import BATCH, infer_logits
from captcha_tagger.network.tagger import Tagger


def ask(model: Tagger, images: LabelledImages) -> Answers:
    """All that is scored and that the page shows; leaves the model in eval mode."""
    return Answers(images.rows, infer_logits(model, images), infer_evidence(model, images))


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
