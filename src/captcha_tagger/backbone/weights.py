"""Where a backbone's weights come from when they are not pretrained here.

An architecture -> a state dict: random, torchvision's from ImageNet, or those of a user's file.
"""

from pathlib import Path
from urllib.error import URLError

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from captcha_tagger.base.errors import InputError
from captcha_tagger.network.backbone_folder import Weights, fit_first_convolution
from captcha_tagger.network.backbones import (
    build_backbone,
    build_classifier,
    first_convolution,
    strip,
)
from captcha_tagger.network.card import Architecture


def random_weights(architecture: Architecture, seed: int) -> Weights:
    """Fresh weights for colour images; torchvision's own initialisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_backbone(architecture, channels=3).state_dict()


def imagenet_weights(architecture: Architecture) -> Weights:
    """torchvision's own weights, hash-checked and cached by torch.hub.

    InputError says what to do instead where they cannot be downloaded.
    """
    from torchvision import models  # slow, see backbones

    classifier = build_classifier(architecture.name)
    choices = models.get_model_weights(architecture.name)
    try:
        state = choices.DEFAULT.get_state_dict(check_hash=True, progress=True)
    except (URLError, TimeoutError, RuntimeError) as error:  # the last is a wrong hash
        raise InputError(
            f"backbone.source: cannot download torchvision's weights for {architecture.name} "
            f"({error}); set it to shipped, synthetic, random or file"
        ) from None
    classifier.load_state_dict(state)
    return strip(classifier, architecture).state_dict()


def weights_from_file(architecture: Architecture, path: Path) -> Weights:
    """Weights of a .safetensors or .pth state dict: a model of ours or a torchvision classifier.

    Only tensors are read, never pickled code.
    """
    state = _read_state(path)
    ours = {
        name.removeprefix("backbone."): tensor
        for name, tensor in state.items()
        if not name.startswith("head.") and name not in ("mean", "std")
    }
    if _fit(ours, build_backbone(architecture, channels=3)):
        return ours
    if architecture.name != "compact":
        classifier = build_classifier(architecture.name)
        theirs = {name: tensor for name, tensor in state.items() if not _is_head(name)}
        if _fit(theirs, classifier):
            classifier.load_state_dict(fit_first_convolution(theirs, classifier), strict=False)
            return strip(classifier, architecture).state_dict()
    raise InputError(
        f"backbone.file: {path} does not hold weights of {architecture.name}; "
        "choose the backbone.architecture that they were made for"
    )


def _is_head(name: str) -> bool:
    return name.startswith(("fc.", "classifier."))


def _fit(weights: Weights, network: nn.Module) -> bool:
    """Whether they are those of the network's body, whatever channels their images have."""
    first = f"{first_convolution(network)[0]}.weight"
    body = {name: t for name, t in network.state_dict().items() if not _is_head(name)}
    return _shapes(weights, first) == _shapes(body, first)


def _shapes(weights: Weights, first: str) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor; the first layer's without its channels, which can be adapted."""
    return {
        name: tuple(tensor.shape[:1] + tensor.shape[2:] if name == first else tensor.shape)
        for name, tensor in weights.items()
    }


def _read_state(path: Path) -> Weights:
    if not path.is_file():  # a pipe would keep its reader waiting
        raise InputError(f"backbone.file: no such file: {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # what is no pickle may raise anything
        reason = str(error).split("\n")[0] or type(error).__name__
        raise InputError(f"backbone.file: {path} is no state dict of tensors: {reason}") from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"backbone.file: {path} is no state dict of tensors")
    return state
