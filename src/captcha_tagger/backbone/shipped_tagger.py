"""The shipped backbone as a model that reads any characters it was pretrained on."""

from captcha_tagger.backbone.shipped import FOLDER, check_shipped
from captcha_tagger.network.backbone_folder import (
    fit_first_convolution,
    load_backbone,
    part_weights,
)
from captcha_tagger.network.card import ModelCard
from captcha_tagger.network.tagger import Tagger


def load_shipped(channels: int, height: int, width: int) -> Tagger:
    """The shipped backbone with the head it was pretrained with: it reads without a label."""
    check_shipped(FOLDER)
    card, weights = load_backbone(FOLDER)
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
