"""The final model asked about the validation part: its logits, and where it looked.

A model and the held-out images -> data/evaluate/answers/, written as the answers come.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.threads import map_on_threads
from captcha_tagger.data.held_out import HeldOut
from captcha_tagger.data.labels import encode_texts
from captcha_tagger.data.pixels import Pixels
from captcha_tagger.data.readings import Reading
from captcha_tagger.evaluate.answers import write_answers, write_evidence
from captcha_tagger.evaluate.saliency import grad_cam
from captcha_tagger.metrics.sets import binary_cross_entropy
from captcha_tagger.network.heads import ConcatHead, HeadAnswer
from captcha_tagger.network.inference import BATCH, count_threads
from captcha_tagger.network.params import Read
from captcha_tagger.network.reading import read
from captcha_tagger.network.tagger import Tagger

Losses = tuple[NDArray[np.int64], NDArray[np.float32]]  # of images by their positions


def ask(
    model: Tagger,
    images: HeldOut,
    how: Read,
    folder: Path,
    *,
    device: torch.device,
    evidence_images: int,
) -> None:
    """Write all that is scored and that the page shows; leaves the model in eval mode.

    Evidence is that of so many images, the ones with the highest loss.
    """
    wanted = model.card.shape
    if tuple(images.shape) != wanted:
        raise InputError(
            f"the images are {tuple(images.shape)}, the model's {wanted}; run dvc repro"
        )
    model.eval()
    shown = _answer_all(model, images, how, folder, device, evidence_images)
    write_evidence(folder, shown, infer_evidence(model, images, shown, device))


def _answer_all(
    model: Tagger, images: HeldOut, how: Read, folder: Path, device: torch.device, num_worst: int
) -> NDArray[np.int64]:
    """Write logits and readings; the sorted positions of so many images with the highest loss."""
    card, worst = model.card, (np.empty(0, np.int64), np.empty(0, np.float32))
    reads = card.head == "ctc"

    @torch.no_grad()
    def answer_batch(item: tuple[slice, Pixels]) -> tuple[slice, HeadAnswer]:
        batch, pixels = item
        return batch, model.answer(torch.from_numpy(pixels).to(device))

    with write_answers(folder, images.rows, len(card.vocabulary), reads=reads) as add:
        answers = map_on_threads(answer_batch, images.batches(BATCH), count_threads(device))
        for batch, answer in answers:
            logits, readings = answer.logits.cpu().numpy(), list[Reading]()
            if answer.log_probs is not None:
                log_probs = answer.log_probs.cpu().numpy()
                readings = read(log_probs, card.vocabulary, card.width, how)
            targets = encode_texts(images.texts[batch], card.vocabulary)
            losses = binary_cross_entropy(logits, targets).mean(1)
            found = np.arange(batch.start, batch.stop), losses
            worst = _keep_worst(worst, found, num_worst)
            add(logits, readings)
    return np.sort(worst[0])


def _keep_worst(kept: Losses, more: Losses, num_worst: int) -> Losses:
    """The images of both with the highest mean loss over the labels; of equals the first."""
    positions = np.concatenate([kept[0], more[0]])
    losses = np.concatenate([kept[1], more[1]])
    order = np.argsort(-losses, kind="stable")[:num_worst]
    return positions[order], losses[order]


def infer_evidence(
    model: Tagger, images: HeldOut, shown: NDArray[np.int64], device: torch.device
) -> NDArray[np.float16]:
    """How much each position shows each label, in 0..1 (shown, labels, rows, columns).

    Heads with evidence know each position's prob; for the others the maps are Grad-CAM's.
    """
    batches = np.split(shown, range(BATCH, len(shown), BATCH))
    pixels = (torch.from_numpy(images.pixels(batch)).to(device) for batch in batches)
    maps = map_on_threads(partial(look, model), pixels, count_threads(device))
    return torch.cat([batch.half().cpu() for batch in maps]).numpy()


def look(model: Tagger, pixels: Tensor) -> Tensor:
    """Pixels (batch, channels, height, width) -> maps in 0..1 (batch, labels, rows, columns)."""
    if isinstance(model.head, ConcatHead):
        return grad_cam(model, pixels)
    with torch.no_grad():
        return model.head.show(model.features(pixels))
