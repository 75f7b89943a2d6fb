"""Where head training starts: a pretrained backbone under a new head.

data/backbone/ and a Dataset -> Tagger. Labels that the pretraining knew keep what it learned.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.network.backbone_folder import (
    Weights,
    damaged,
    fit_first_convolution,
    load_backbone,
    part_weights,
)
from captcha_tagger.network.card import ModelCard
from captcha_tagger.network.ctc import columns_needed
from captcha_tagger.network.heads import EVIDENCE, ConcatHead, CtcHead, NoisyOrHead
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.training.params import TrainHead

DRAWN_HEIGHT = 50  # pixels: what a pretraining learned of characters fits images of that height


def start_tagger(backbone: Path, data: Dataset, params: TrainHead) -> Tagger:
    """A Tagger with the backbone's weights and a head that starts from what is known."""
    card, weights = load_backbone(backbone)
    if not len(data.train) and set(card.alphabet).isdisjoint(data.vocabulary):
        raise InputError(
            "split.train_images: with no training image the backbone must know characters already; "
            "set backbone.source to shipped or synthetic, which know 0-9, A-Z and a-z, or keep "
            "some training images"
        )
    _, channels, height, width = data.pixels.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        model = Tagger(
            ModelCard(
                architecture=card.architecture,
                head=params.head,
                channels=channels,
                height=height,
                width=width,
                vocabulary=data.vocabulary,
                threshold=0.5,
            )
        )
        if not isinstance(model.head, ConcatHead):
            model.head.start_from_base_rates(torch.from_numpy(data.base_rates()), model.columns)
        body, known_head = part_weights(weights)
        try:
            model.backbone.load_state_dict(fit_first_convolution(body, model.backbone))
            misfit = _take_over(model, known_head, card.alphabet)
        except (KeyError, IndexError, RuntimeError):
            raise damaged(backbone, "its weights do not fit its card") from None
    if misfit:
        _tell(misfit, len(data.train))
    if params.head == "ctc":
        _check_room(data, model.columns)
    return model


def _check_room(data: Dataset, columns: int) -> None:
    """InputError where a text needs more columns than its image has, so that no path spells it."""
    longest = max(data.rows, key=lambda row: columns_needed(row.text))
    needed = columns_needed(longest.text)
    if needed > columns:
        width = data.pixels.shape[3]
        enough = -(-width * needed // columns)
        raise InputError(
            f"{longest.file}: reading {longest.text!r} takes {needed} columns, and images "
            f"{width} pixels wide have {columns}; set ingest.width to {enough} or "
            "more, or train_head.head to noisy_or"
        )


def _take_over(model: Tagger, known_head: Weights, alphabet: Sequence[str]) -> str | None:
    """Give the head what the pretraining knew of characters; else what that does not fit."""
    head = model.head
    if not alphabet:
        return None
    if isinstance(head, ConcatHead):
        return "a concat head: set train_head.head to ctc or noisy_or"
    if known_head["evidence.weight"].shape[2:] != head.evidence.weight.shape[2:]:
        return f"images {model.card.height} pixels high: set ingest.height to {DRAWN_HEIGHT}"
    _copy_known_labels(head, known_head, alphabet, model.card.vocabulary)
    return None


def _tell(misfit: str, num_train: int) -> None:
    """Say that nothing is known of characters; InputError where there is nothing to learn from."""
    line = f"what the backbone knows of characters does not fit {misfit} to use it"
    if not num_train:
        raise InputError(f"split.train_images: with no training image nothing can be read: {line}")
    print(f"train head: the head starts from nothing: {line}")


@torch.no_grad()
def _copy_known_labels(
    head: CtcHead | NoisyOrHead,
    known_head: Weights,
    alphabet: Sequence[str],
    vocabulary: Sequence[str],
) -> None:
    """Give each label that the pretraining knew its row of evidence, and the blank its own.

    Evidence counts against the blank's, which a noisy-or has at 0: rows learned with a blank lose
    it for a noisy-or, and labels that were not known start at their base rate against it.
    """
    known = [label for label in vocabulary if label in alphabet]
    to = [vocabulary.index(label) for label in known]
    source = [alphabet.index(label) for label in known]
    for name in EVIDENCE:
        new, old = head.get_parameter(name), known_head[name]
        blank = old[-1] if len(old) > len(alphabet) else torch.zeros_like(old[0])
        if isinstance(head, CtcHead):
            new[:-1] += blank
            new[-1], new[to] = blank, old[source]
        else:
            new[to] = old[source] - blank
