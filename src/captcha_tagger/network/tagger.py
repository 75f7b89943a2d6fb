"""The network: pixels -> backbone features -> head -> one logit per label.

`Tagger` is what is trained, saved and served: it normalises uint8 pixels itself, so whoever holds
the model needs no second place that knows the preprocessing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from captcha_tagger.base.errors import InputError
from captcha_tagger.network.backbones import build_backbone
from captcha_tagger.network.card import ModelCard
from captcha_tagger.network.heads import ConcatHead, CtcHead, HeadAnswer, NoisyOrHead

NO_VARIANCE = "Expected more than 1 value per channel"  # torch's BatchNorm, in training

Head = CtcHead | NoisyOrHead | ConcatHead


class Tagger(nn.Module):
    """Normalisation, backbone and head."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__()
        self.card = card
        self.backbone = build_backbone(card.architecture, card.channels)
        channels, rows, self.columns = _feature_shape(self.backbone, card)
        self.head: Head = _build_head(card, channels, rows)
        self.to(memory_format=torch.channels_last)

    def features(self, pixels: Tensor) -> Tensor:
        """Pixels in 0..255 (batch, channels, height, width) -> (batch, channels, rows, columns).

        InputError in training where the network has no more than one value for a channel.
        """
        normalized = normalize(pixels).contiguous(memory_format=torch.channels_last)
        try:
            return self.backbone(normalized)
        except ValueError as error:
            if NO_VARIANCE not in str(error):
                raise
            raise InputError(
                f"backbone.architecture: {self.card.architecture.name} sees one position of an "
                f"image of {self.card.width}x{self.card.height}, and can learn nothing from one "
                "alone; choose another, a larger ingest.height, or fewer fine_tune.shards"
            ) from None

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels in 0..255 (batch, channels, height, width) -> logits (batch, labels)."""
        return self.head(self.features(pixels))

    def answer(self, pixels: Tensor) -> HeadAnswer:
        """Pixels (batch, channels, height, width) -> logits, and log probs where it reads."""
        return self.head.answer(self.features(pixels))

    def set_threshold(self, threshold: float) -> None:
        self.card = self.card.model_copy(update={"threshold": threshold})

    def freeze_backbone(self, frozen: bool = True) -> None:
        """Keep the backbone as it is, BatchNorm's running statistics included, or release it."""
        self.backbone.requires_grad_(not frozen)
        self.backbone.train(self.training and not frozen)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The parameters from the first layers to the head, a group per backbone stage."""
        stages: Sequence[nn.Module] = [*self.backbone.children(), self.head]
        groups = [list(stage.parameters()) for stage in stages]
        return [group for group in groups if group]


def normalize(pixels: Tensor) -> Tensor:
    """Each image by its own mean and standard deviation over all channels, which suits any look.

    Pixels in 0..255 (batch, channels, height, width) -> the same shape; a flat image is all 0.
    """
    variance, mean = torch.var_mean(pixels.float(), (1, 2, 3), correction=0, keepdim=True)
    return (pixels - mean) / variance.clamp_min(1.0).sqrt()


def _build_head(card: ModelCard, channels: int, rows: int) -> Head:
    labels = len(card.vocabulary)
    if card.head == "concat":
        return ConcatHead(channels, labels)
    return (CtcHead if card.head == "ctc" else NoisyOrHead)(channels, rows, labels)


@torch.no_grad()
def _feature_shape(backbone: nn.Module, card: ModelCard) -> tuple[int, int, int]:
    training = backbone.training
    backbone.eval()
    try:
        features = backbone(torch.zeros(1, *card.shape))
    except RuntimeError:  # a pooling that finds less than a pixel
        raise InputError(
            f"backbone.architecture: {card.architecture.name} needs larger images than "
            f"{card.width}x{card.height}; choose another, or a larger ingest.height"
        ) from None
    backbone.train(training)
    _, channels, rows, columns = features.shape
    return channels, rows, columns
