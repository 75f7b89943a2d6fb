"""The network: pixels -> backbone features -> head -> one logit per label.

`Tagger` is what is trained, saved and served: it normalises uint8 pixels itself, so whoever holds
the model needs no second place that knows the preprocessing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from captcha_tagger.backbones import build_backbone
from captcha_tagger.card import ModelCard

SMALLEST_SUM = 1e-9  # keeps log(expm1(s)) finite where no position shows any evidence


class NoisyOrHead(nn.Module):
    """Evidence per column of the feature map, pooled by a noisy-or.

    A label is in the image when at least one column shows it:
    P = 1 - prod(1 - sigmoid(z)), in log space with s = sum(softplus(z)): logit(P) = log(expm1(s)).
    Source: Pearl, "Probabilistic Reasoning in Intelligent Systems" (1988), section 4.3.2.
    """

    def __init__(self, channels: int, rows: int, labels: int) -> None:
        super().__init__()
        # The kernel spans every row: where in its line a stroke lies tells p from b.
        self.evidence = nn.Conv2d(channels, labels, (rows, 3), padding=(0, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, channels, rows, columns) -> logits (batch, labels)."""
        evidence = self.evidence(features)  # (batch, labels, 1, columns)
        total = functional.softplus(evidence.float()).sum((2, 3)).clamp_min(SMALLEST_SUM)
        return total + torch.log(-torch.expm1(-total))

    @torch.no_grad()
    def start_from_base_rates(self, rates: Tensor, columns: int) -> None:
        """Set the biases so that the initial prob of each label is its base rate (labels,).

        Untouched biases start the noisy-or saturated: training then spends its first epochs
        predicting nothing.
        """
        nn.init.normal_(self.evidence.weight, std=0.01)
        per_column = -torch.log1p(-rates) / columns  # the softplus(bias) that gives the rate
        assert self.evidence.bias is not None
        self.evidence.bias.copy_(torch.log(torch.expm1(per_column)))


class ConcatHead(nn.Module):
    """fastai's head: average and max pooling side by side, then two linear layers.

    Source: `create_head` of fastai 2 (https://docs.fast.ai/vision.learner.html).
    """

    def __init__(self, channels: int, labels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(2 * channels),
            nn.Dropout(0.25),
            nn.Linear(2 * channels, 512, bias=False),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(512),
            nn.Dropout(0.5),
            nn.Linear(512, labels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, channels, rows, columns) -> logits (batch, labels)."""
        pooled = torch.cat([features.amax((2, 3)), features.mean((2, 3))], dim=1)
        return self.layers(pooled).float()


class Tagger(nn.Module):
    """Normalisation, backbone and head."""

    mean: Tensor
    std: Tensor

    def __init__(self, card: ModelCard) -> None:
        super().__init__()
        self.card = card
        self.register_buffer("mean", torch.tensor(card.normalization.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(card.normalization.std).view(1, -1, 1, 1))
        self.backbone = build_backbone(card.architecture, card.channels)
        channels, rows, self.columns = _feature_shape(self.backbone, card)
        self.head: NoisyOrHead | ConcatHead = (
            NoisyOrHead(channels, rows, len(card.vocabulary))
            if card.pooling == "noisy_or"
            else ConcatHead(channels, len(card.vocabulary))
        )
        self.to(memory_format=torch.channels_last)

    def features(self, pixels: Tensor) -> Tensor:
        """Pixels in 0..255 (batch, channels, height, width) -> (batch, channels, rows, columns)."""
        normalized = (pixels.float() - self.mean) / self.std
        return self.backbone(normalized.contiguous(memory_format=torch.channels_last))

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels in 0..255 (batch, channels, height, width) -> logits (batch, labels)."""
        return self.head(self.features(pixels))

    def evidence(self, pixels: Tensor) -> Tensor:
        """Pixels (batch, channels, height, width) -> logits (batch, labels, rows, columns)."""
        assert isinstance(self.head, NoisyOrHead)
        return self.head.evidence(self.features(pixels))

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


@torch.no_grad()
def _feature_shape(backbone: nn.Module, card: ModelCard) -> tuple[int, int, int]:
    training = backbone.training
    backbone.eval()
    features = backbone(torch.zeros(1, card.channels, card.height, card.width))
    backbone.train(training)
    _, channels, rows, columns = features.shape
    return channels, rows, columns
