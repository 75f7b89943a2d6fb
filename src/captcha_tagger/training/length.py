"""How long to fine-tune: as long as the look needs, judged by what the head alone gets wrong.

A model as head training left it and its training images -> a number of epochs.
"""

import math

import numpy as np
import torch

from captcha_tagger.data.dataset import Dataset
from captcha_tagger.data.images import LabelledImages
from captcha_tagger.metrics.sets import count, exact_set
from captcha_tagger.metrics.texts import count_edits, text_accuracy
from captcha_tagger.network.inference import infer
from captcha_tagger.network.tagger import Tagger

ASKED = 1000  # training images at most
WRONG = (0.0, 0.5, 0.75)  # shares of images wrong: a look that the backbone knows, hard, hardest
EPOCHS = (4, 30, 60)  # of these
STEPS = (60, 200, 400)  # at least, where few images make short epochs


def choose_epochs(model: Tagger, data: Dataset, batch_size: int, device: torch.device) -> int:
    """Epochs between those of an easy and of the hardest look; says why."""
    wrong = measure_wrong(model, data.some_train_images(ASKED, device))
    steps_per_epoch = math.ceil(len(data.train) / batch_size)
    for_steps = math.ceil(np.interp(wrong, WRONG, STEPS) / steps_per_epoch)
    epochs = max(round(np.interp(wrong, WRONG, EPOCHS)), for_steps)
    print(f"fine tune: {epochs} epochs, since the head alone gets {wrong:.1%} of the images wrong")
    return epochs


def measure_wrong(model: Tagger, images: LabelledImages) -> float:
    """The share of images whose text is wrong, or their label set where the model does not read."""
    found = infer(model, images)
    if found.readings is not None:
        read = [one.text for one in found.readings]
        return 1 - text_accuracy(count_edits(read, images.spell(model.card.vocabulary)))
    actual = images.targets.cpu().numpy() > 0.5
    return 1 - exact_set(count(found.probs > model.card.threshold, actual))
