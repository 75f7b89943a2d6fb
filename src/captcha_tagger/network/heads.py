"""What answers on top of a backbone: features -> one logit per label, and the text where it can.

The ctc and noisy-or heads keep their evidence per position; the concat head pools positions first.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from captcha_tagger.network.ctc import label_logits, logit_of_sum

KERNEL_ROWS = 7  # of evidence kernels: all rows that 50 pixels of height leave at a stride of 8
EVIDENCE = ("evidence.weight", "evidence.bias")
START_STD = 0.01  # of evidence weights that nothing is known about


class HeadAnswer(NamedTuple):
    """Logits (batch, labels), and of heads that read the log probs of each column
    (batch, columns, labels + 1), the blank last."""

    logits: Tensor
    log_probs: Tensor | None


class CtcHead(nn.Module):
    """Labels and a blank compete for each column: the text by CTC, each label's prob from it.

    Where an image is higher than the kernel, a column's evidence is that of any of its rows:
    their logsumexp. One set of weights so serves every size.
    """

    def __init__(self, channels: int, rows: int, labels: int) -> None:
        super().__init__()
        # The kernel spans a line's rows: where in its line a stroke lies tells p from b.
        self.evidence = nn.Conv2d(channels, labels + 1, _kernel(rows), padding=(0, 1))

    def weigh(self, features: Tensor) -> Tensor:
        """Features (batch, channels, rows, columns) -> logits (batch, columns, labels + 1)."""
        evidence = self.evidence(features)  # (batch, labels + 1, rows, columns)
        return evidence.float().logsumexp(2).transpose(1, 2)

    def answer(self, features: Tensor) -> HeadAnswer:
        log_probs = self.weigh(features).log_softmax(-1)
        return HeadAnswer(label_logits(log_probs), log_probs)

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, channels, rows, columns) -> logits (batch, labels)."""
        return self.answer(features).logits

    def show(self, features: Tensor) -> Tensor:
        """How probable each label is in each column: (batch, labels, 1, columns)."""
        probs = self.weigh(features).softmax(-1)
        return probs[..., :-1].transpose(1, 2)[:, :, None]

    @torch.no_grad()
    def start_from_base_rates(self, rates: Tensor, positions: int) -> None:
        """Set the biases so that the initial prob of each label is about its base rate (labels,).

        The blank's row is 0, so what is left of a column is the blank's: CTC starts where most
        columns are blank, as they will be, and not where no path is likelier than another.
        """
        nn.init.normal_(self.evidence.weight, std=START_STD)
        self.evidence.weight[-1] = 0
        assert self.evidence.bias is not None
        self.evidence.bias[:-1] = _logits_per_position(rates, positions)
        self.evidence.bias[-1] = 0


class NoisyOrHead(nn.Module):
    """Evidence per position of the feature map, pooled by a noisy-or.

    A label is in the image when at least one position shows it:
    P = 1 - prod(1 - sigmoid(z)), in log space with s = sum(softplus(z)): logit(P) = log(expm1(s)).
    Source: Pearl, "Probabilistic Reasoning in Intelligent Systems" (1988), section 4.3.2.
    """

    def __init__(self, channels: int, rows: int, labels: int) -> None:
        super().__init__()
        self.evidence = nn.Conv2d(channels, labels, _kernel(rows), padding=(0, 1))

    def answer(self, features: Tensor) -> HeadAnswer:
        evidence = self.evidence(features)  # (batch, labels, rows, columns)
        return HeadAnswer(logit_of_sum(functional.softplus(evidence.float()).sum((2, 3))), None)

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, channels, rows, columns) -> logits (batch, labels)."""
        return self.answer(features).logits

    def show(self, features: Tensor) -> Tensor:
        """How probable each label is at each position: (batch, labels, rows, columns)."""
        return torch.sigmoid(self.evidence(features))

    @torch.no_grad()
    def start_from_base_rates(self, rates: Tensor, positions: int) -> None:
        """Set the biases so that the initial prob of each label is its base rate (labels,).

        Untouched biases start the noisy-or saturated: training then spends its first epochs
        predicting nothing.
        """
        nn.init.normal_(self.evidence.weight, std=START_STD)
        assert self.evidence.bias is not None
        self.evidence.bias.copy_(_logits_per_position(rates, positions))


class _BatchNorm(nn.BatchNorm1d):
    """BatchNorm that takes a batch of one, which has no variance, by its running statistics."""

    def forward(self, features: Tensor) -> Tensor:
        if not self.training or len(features) > 1:
            return super().forward(features)
        known = (self.running_mean, self.running_var, self.weight, self.bias)
        return functional.batch_norm(features, *known, eps=self.eps)


class ConcatHead(nn.Module):
    """fastai's head: average and max pooling side by side, then two linear layers.

    Source: `create_head` of fastai 2 (https://docs.fast.ai/vision.learner.html).
    """

    def __init__(self, channels: int, labels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _BatchNorm(2 * channels),
            nn.Dropout(0.25),
            nn.Linear(2 * channels, 512, bias=False),
            nn.ReLU(inplace=True),
            _BatchNorm(512),
            nn.Dropout(0.5),
            nn.Linear(512, labels),
        )

    def answer(self, features: Tensor) -> HeadAnswer:
        pooled = torch.cat([features.amax((2, 3)), features.mean((2, 3))], dim=1)
        return HeadAnswer(self.layers(pooled).float(), None)

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, channels, rows, columns) -> logits (batch, labels)."""
        return self.answer(features).logits


def _kernel(rows: int) -> tuple[int, int]:
    return min(rows, KERNEL_ROWS), 3


def _logits_per_position(rates: Tensor, positions: int) -> Tensor:
    """The logit at each of so many positions that makes a label's noisy-or its rate."""
    return logit_of_sum(-torch.log1p(-rates) / positions)
