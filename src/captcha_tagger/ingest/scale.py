"""The scale at which the shipped backbone reads a set's images best.

Shapes, smallest first, and images with their texts -> one of the shapes.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from captcha_tagger.backbone.shipped_tagger import load_shipped
from captcha_tagger.base.work.threads import map_on_threads
from captcha_tagger.data.pixels import Pixels, Shape
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.shape import FEWEST, open_labelled
from captcha_tagger.network.ctc import text_losses
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.source.decoding import bound_memory, fit
from captcha_tagger.source.limits import Found

ASKED, BATCH = 60, 20  # images
GAIN = 0.1  # nats a character, for which a larger image is worth its time
ERRORS = 2.0  # standard errors, which a gain must exceed not to be chance
WORST = 20.0  # nats a character; a text for which there is no room has an infinite loss

Floats = NDArray[np.float32]


class Answers(NamedTuple):
    """Nats a character (images,): the loss of each image's text, and by how much it is less than
    that of another image's."""

    losses: Floats
    told: Floats


def choose_scale(shapes: Sequence[Shape], sample: Iterable[Found], params: Ingest) -> Shape:
    """The shape in which the sample's texts are the most probable, the first in doubt.

    A larger one must tell more of the texts, too: where a model sees nothing its loss may fall as
    it is less sure of what is wrong.
    """
    models = [load_shipped(*shape) for shape in shapes]
    texts, pixels = _decode(sample, shapes, params, set(models[0].card.vocabulary))
    if len(texts) < FEWEST:
        return shapes[0]
    answers = [
        _ask(model, np.stack(images), texts) for model, images in zip(models, pixels, strict=True)
    ]
    best = 0
    for larger in range(1, len(shapes)):
        gain = answers[best].losses - answers[larger].losses
        told = answers[larger].told - answers[0].told
        if gain.mean() > GAIN and told.mean() > max(GAIN, ERRORS * told.std() / len(told) ** 0.5):
            best = larger
    return shapes[best]


def _decode(
    sample: Iterable[Found], shapes: Sequence[Shape], params: Ingest, alphabet: set[str]
) -> tuple[list[str], list[list[Pixels]]]:
    """The texts of the alphabet, and their images in each shape."""
    texts: list[str] = []
    pixels: list[list[Pixels]] = [[] for _ in shapes]
    for found in sample:
        opened = open_labelled(found, params)
        if opened is None or not alphabet.issuperset(opened[0]):
            continue
        text, image = opened
        texts.append(text)
        with bound_memory(params.max_image_pixels):
            for kept, shape in zip(pixels, shapes, strict=True):
                kept.append(fit(image, **shape._asdict()))
    return texts, pixels


def _ask(model: Tagger, pixels: Pixels, texts: Sequence[str]) -> Answers:
    """What the model makes of the images, where no other labels than the texts' can be meant."""
    vocabulary, labels = model.card.vocabulary, sorted(set("".join(texts)))
    rows = [*map(vocabulary.index, labels), len(vocabulary)]

    @torch.no_grad()
    def ask(start: int) -> Tensor:
        log_probs = model.answer(torch.from_numpy(pixels[start : start + BATCH])).log_probs
        assert log_probs is not None
        return log_probs[..., rows].log_softmax(-1)

    batches = range(0, len(texts), BATCH)
    log_probs = torch.cat([*map_on_threads(ask, batches, torch.get_num_threads())])
    middle = len(texts) // 2
    losses, others = (
        _measure_losses(log_probs, [[*map(labels.index, text)] for text in each])
        for each in (texts, [*texts[middle:], *texts[:middle]])
    )
    return Answers(losses, others - losses)


def _measure_losses(log_probs: Tensor, texts: Sequence[Sequence[int]]) -> Floats:
    padded = pad_sequence([*map(torch.tensor, texts)], batch_first=True, padding_value=-1)
    losses = text_losses(log_probs, padded) / (padded >= 0).sum(1)
    return losses.clamp(max=WORST).numpy()
