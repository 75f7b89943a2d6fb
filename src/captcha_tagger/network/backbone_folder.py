"""Pretrained backbones as tracked files: weights.safetensors and backbone.json.

The folder data/backbone/ is written by the `backbone` stage and read where training starts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import atomic_folder, read_json, write_json
from captcha_tagger.network.backbones import first_convolution
from captcha_tagger.network.card import BACKBONE_CARD, WEIGHTS, Architecture, Frozen
from captcha_tagger.network.tagger import Tagger

HEAD = "head."  # what the names of a head's weights begin with
Weights = dict[str, Tensor]


class BackboneCard(Frozen):
    """What the weights are; `alphabet` names the rows of a head learned along with them."""

    architecture: Architecture
    source: Literal["shipped", "synthetic", "imagenet", "random", "file"]
    alphabet: list[str]


def save_backbone(card: BackboneCard, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Write backbone weights, and head weights under `head.` where there are any."""
    with atomic_folder(folder) as beside:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        (beside / WEIGHTS).write_bytes(save(dict(sorted(tensors.items()))))
        write_json(beside / BACKBONE_CARD, card.model_dump())


def load_backbone(folder: Path) -> tuple[BackboneCard, Weights]:
    """The card and the weights of a backbone folder; InputError when they are damaged."""
    for name in (BACKBONE_CARD, WEIGHTS):
        if not (folder / name).is_file():  # a pipe would keep its reader waiting
            raise InputError(
                f"{folder}: no backbone here, {name} is missing; run dvc repro backbone"
            )
    try:
        card = BackboneCard.model_validate(read_json(folder / BACKBONE_CARD))
        weights = load_file(folder / WEIGHTS)
    except (SafetensorError, ValueError) as error:
        raise damaged(folder, str(error).split("\n")[0]) from None
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise damaged(folder, "not all of its weights are numbers")
    return card, weights


def damaged(folder: Path, reason: str) -> InputError:
    """What to say of a backbone folder whose files cannot be used."""
    return InputError(f"{folder}: damaged backbone: {reason}; run dvc repro backbone")


def backbone_weights(model: Tagger) -> Weights:
    """The weights of a trained Tagger, its head's under `head.`."""
    head = {f"{HEAD}{name}": tensor for name, tensor in model.head.state_dict().items()}
    return {**model.backbone.state_dict(), **head}


def part_weights(weights: Weights) -> tuple[Weights, Weights]:
    """Those of the backbone, and those of a head learned along with it, under their own names."""
    body = {name: tensor for name, tensor in weights.items() if not name.startswith(HEAD)}
    return body, {
        name.removeprefix(HEAD): tensor for name, tensor in weights.items() if name not in body
    }


def fit_first_convolution(weights: Weights, backbone: nn.Module) -> Weights:
    """Adapt the layer that sees the image to grey or colour, keeping its answer to grey images."""
    name, layer = first_convolution(backbone)
    kernel = weights[f"{name}.weight"]
    wanted = layer.in_channels
    if kernel.shape[1] == wanted:
        return weights
    summed = kernel.sum(1, keepdim=True)
    return {**weights, f"{name}.weight": summed.expand(-1, wanted, -1, -1) / wanted}
