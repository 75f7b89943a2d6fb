"""The backbone that comes with the package: pretrained once, long, on very many drawn looks.

`captcha_tagger.backbone.ship` makes its files: weights.safetensors and backbone.json as in
data/backbone/, and origin.json, which says from what they were made and holds the weights' SHA-256.
"""

import hashlib
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json
from captcha_tagger.network.backbone_folder import (
    BackboneCard,
    Weights,
    fit_first_convolution,
    load_backbone,
    part_weights,
)
from captcha_tagger.network.card import ModelCard
from captcha_tagger.network.model_folder import WEIGHTS
from captcha_tagger.network.tagger import Tagger

FOLDER = Path(__file__).parent / "weights"
ORIGIN = "origin.json"


def load_shipped(folder: Path = FOLDER) -> tuple[BackboneCard, Weights]:
    """The card and the weights; InputError when they are not those that were shipped."""
    try:
        digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        shipped = read_json(folder / ORIGIN)["sha256"]
    except (OSError, ValueError, KeyError):
        digest, shipped = "", "unknown"
    if digest != shipped:
        raise InputError(
            f"{folder / WEIGHTS}: not the weights that were shipped; check the file out again, or "
            "set backbone.source to synthetic"
        )
    return load_backbone(folder)


def shipped_tagger(channels: int, height: int, width: int) -> Tagger:
    """The shipped backbone under the head that it was pretrained with, which no label was for."""
    card, weights = load_shipped()
    model = Tagger(
        ModelCard(
            architecture=card.architecture,
            head="ctc",
            channels=channels,
            height=height,
            width=width,
            vocabulary=card.alphabet,
            threshold=0.5,
        )
    )
    body, head = part_weights(weights)
    model.backbone.load_state_dict(fit_first_convolution(body, model.backbone))
    model.head.load_state_dict(head)
    return model.eval()
