"""The final model asked about the validation part: its logits, and where it looked.

A model and images -> Answers.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.images import LabelledImages
from captcha_tagger.evaluate.answers import Answers
from captcha_tagger.evaluate.saliency import grad_cam
from captcha_tagger.metrics.sets import binary_cross_entropy
from captcha_tagger.network.heads import ConcatHead
from captcha_tagger.network.inference import BATCH, infer
from captcha_tagger.network.params import Read
from captcha_tagger.network.tagger import Tagger


def ask(model: Tagger, images: LabelledImages, how: Read, *, evidence_images: int) -> Answers:
    """All that is scored and that the page shows; leaves the model in eval mode.

    Evidence is that of so many images, the ones with the highest loss.
    """
    _check_fit(model, images)
    found = infer(model, images, how)
    losses = binary_cross_entropy(found.logits, images.targets.cpu().numpy()).mean(1)
    shown = np.sort(np.argsort(-losses, kind="stable")[:evidence_images])
    evidence = infer_evidence(model, images, shown)
    return Answers(images.rows, found.logits, shown, evidence, found.readings)


def _check_fit(model: Tagger, images: LabelledImages) -> None:
    """InputError when there is nothing to ask, or images that the model was not made for."""
    if not len(images):
        raise InputError("split: no image is held out; run dvc repro split")
    wanted = model.card.shape
    if images.shape != wanted:
        raise InputError(f"the images are {images.shape}, the model's {wanted}; run dvc repro")


def infer_evidence(
    model: Tagger, images: LabelledImages, shown: NDArray[np.int64]
) -> NDArray[np.float16]:
    """How much each position shows each label, in 0..1 (shown, labels, rows, columns).

    Heads with evidence know each position's prob; for the others the maps are Grad-CAM's.
    """
    model.eval()
    batches = torch.split(torch.from_numpy(shown), BATCH)
    parts = [look(model, images.pixels(picks)).half().cpu() for picks in batches]
    return torch.cat(parts).numpy()


def look(model: Tagger, pixels: Tensor) -> Tensor:
    """Pixels (batch, channels, height, width) -> maps in 0..1 (batch, labels, rows, columns)."""
    if isinstance(model.head, ConcatHead):
        return grad_cam(model, pixels)
    with torch.no_grad():
        return model.head.show(model.features(pixels))
