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
from captcha_tagger.network.heads import ConcatHead
from captcha_tagger.network.inference import BATCH, infer
from captcha_tagger.network.params import Read
from captcha_tagger.network.tagger import Tagger


def ask(model: Tagger, images: LabelledImages, how: Read) -> Answers:
    """All that is scored and that the page shows; leaves the model in eval mode."""
    found = infer(model, images, how)
    return Answers(images.rows, found.logits, infer_evidence(model, images), found.readings)


def infer_evidence(model: Tagger, images: LabelledImages) -> NDArray[np.float16]:
    """How much each position shows each label, in 0..1 (images, labels, rows, columns).

    Heads with evidence know each position's prob; for the others the maps are Grad-CAM's.
    """
    model.eval()
    look = grad_cam if isinstance(model.head, ConcatHead) else _look
    parts = [look(model, images.pixels(picks)).half().cpu() for picks in images.batches(BATCH)]
    return torch.cat(parts).numpy()


@torch.no_grad()
def _look(model: Tagger, pixels: Tensor) -> Tensor:
    assert not isinstance(model.head, ConcatHead)
    return model.head.show(model.features(pixels))
