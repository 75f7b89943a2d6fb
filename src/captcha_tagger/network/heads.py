"""What answers on top of a backbone: features -> one logit per label.

The noisy-or head keeps its evidence per position; the concat head pools positions away first.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

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
