"""AdamW with a peak learning rate per layer group."""

from inspect import unwrap
from typing import Any

import torch
from torch import nn

BETAS = (0.9, 0.99)  # fastai's


class EagerAdamW(torch.optim.AdamW):
    """AdamW without its hooks for torch's compiler, which nothing here uses.

    Their first call would import the compiler: a second, as long as an epoch of the Kaggle set.
    """

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))
    zero_grad = unwrap(torch.optim.AdamW.zero_grad)
    add_param_group = unwrap(torch.optim.AdamW.add_param_group)
    state_dict = unwrap(torch.optim.AdamW.state_dict)
    load_state_dict = unwrap(torch.optim.AdamW.load_state_dict)


def build_optimizer(
    groups: list[list[nn.Parameter]], peaks: list[float], weight_decay: float
) -> torch.optim.AdamW:
    """AdamW with a peak learning rate per layer group; frozen parameters are left out.

    Biases and BatchNorm do not decay, as in fastai.
    """
    settings: list[dict[str, Any]] = []
    for peak, group in zip(peaks, groups, strict=True):
        matrices = [p for p in group if p.requires_grad and p.ndim > 1]
        vectors = [p for p in group if p.requires_grad and p.ndim <= 1]
        settings.append({"params": matrices, "peak": peak, "weight_decay": weight_decay})
        settings.append({"params": vectors, "peak": peak, "weight_decay": 0.0})
    settings = [setting for setting in settings if setting["params"]]
    return EagerAdamW(settings, lr=0.0, betas=BETAS, fused=True)
