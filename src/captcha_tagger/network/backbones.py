"""Convolutional feature extractors: a compact one for CPUs, and torchvision's by name.

Each is an nn.Sequential of stages, first layers first; a stage is one layer group of the
discriminative learning rates. torchvision is imported where it is used: it takes as long as torch
itself (4 s of CPU), and the compact network does without.
"""

import difflib
from collections import OrderedDict
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from captcha_tagger.base.errors import InputError
from captcha_tagger.network.card import Architecture

if TYPE_CHECKING:
    from torchvision.models import ResNet

COMPACT_STRIDES = {  # (rows, columns) of the last two stages, after 4 by 4 before them
    4: ((2, 1), (2, 1)),
    8: ((2, 2), (1, 1)),
}


class Residual(nn.Module):
    """Two 3x3 convolutions with BatchNorm around a shortcut; `stride` is that of rows and columns.

    Sources: He et al., "Deep Residual Learning for Image Recognition" (2015); the averaging
    shortcut is that of "Bag of Tricks for Image Classification" (2018).
    """

    def __init__(self, inputs: int, outputs: int, *, stride: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolve(inputs, outputs, stride=stride),
            nn.ReLU(inplace=True),
            *_convolve(outputs, outputs),
        )
        pool = nn.Identity() if stride == (1, 1) else nn.AvgPool2d(stride, ceil_mode=True)
        self.shortcut = nn.Sequential(pool, *_convolve(inputs, outputs, size=1))

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.layers(features) + self.shortcut(features), inplace=True)


def compact(channels: int, output_stride: int) -> nn.Sequential:
    """A residual network for small images on CPUs.

    50x200 -> 128 channels of 7x25, positions of 8 by 8 pixels. With an output stride of 4 they are
    4 columns by 16 rows, 4x50: half the rows pay for twice the columns.
    """
    if output_stride not in COMPACT_STRIDES:
        raise InputError(f"compact has no output_stride of {output_stride}; choose 4 or 8")
    before_last, last = COMPACT_STRIDES[output_stride]
    stem = (*_convolve(channels, 16, stride=(2, 2), size=5), nn.ReLU(inplace=True))
    return nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(*stem),
            stage1=Residual(16, 32, stride=(2, 2)),
            stage2=Residual(32, 64, stride=before_last),
            stage3=Residual(64, 128, stride=last),
        )
    )


def build_backbone(architecture: Architecture, channels: int) -> nn.Sequential:
    """A randomly initialised backbone for images of 1 or 3 channels."""
    if architecture.name == "compact":
        return compact(channels, architecture.output_stride)
    backbone = strip(build_classifier(architecture.name), architecture)
    if channels != 3:
        _replace_first_convolution(backbone, channels)
    return backbone


def build_classifier(name: str) -> nn.Module:
    """torchvision's classifier by its name; InputError lists near names for an unknown one."""
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=4) or ["resnet18", "mobilenet_v3_small"]
        raise InputError(
            f"backbone.architecture: unknown {name!r}; choose compact or a torchvision classifier "
            f"such as {', '.join(near)}"
        )
    classifier: nn.Module = models.get_model(name, weights=None)
    return classifier


def strip(classifier: nn.Module, architecture: Architecture) -> nn.Sequential:
    """Cut off the classifier's head and refit what is left to small images."""
    from torchvision.models import ResNet, SwinTransformer

    if isinstance(classifier, ResNet):
        return _resnet_stages(classifier, architecture)
    is_convolutional = not isinstance(classifier, SwinTransformer)
    if is_convolutional and isinstance(getattr(classifier, "features", None), nn.Sequential):
        return nn.Sequential(*classifier.features.children())  # type: ignore[union-attr]
    raise InputError(
        f"backbone.architecture: {architecture.name!r} has no convolutional stages to build on; "
        "choose compact, a ResNet, or one with `features` such as mobilenet_v3_small"
    )


def first_convolution(backbone: nn.Module) -> tuple[str, nn.Conv2d]:
    """The layer that sees the image, and its name in the state dict."""
    return next(
        (name, module) for name, module in backbone.named_modules() if isinstance(module, nn.Conv2d)
    )


def _convolve(
    inputs: int, outputs: int, *, stride: tuple[int, int] = (1, 1), size: int = 3
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs)


def _resnet_stages(resnet: "ResNet", architecture: Architecture) -> nn.Sequential:
    stages: OrderedDict[str, nn.Module] = OrderedDict(
        stem=nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool),
        layer1=resnet.layer1,
        layer2=resnet.layer2,
        layer3=resnet.layer3,
        layer4=resnet.layer4,
    )
    for name, stride in {"layer2": 8, "layer3": 16, "layer4": 32}.items():
        if stride > architecture.output_stride:
            _remove_stride(stages[name])
    for _ in range(architecture.dropped_stages):
        stages.popitem()
    return nn.Sequential(stages)


def _remove_stride(stage: nn.Module) -> None:
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)


def _replace_first_convolution(backbone: nn.Module, channels: int) -> None:
    name, old = first_convolution(backbone)
    new = nn.Conv2d(
        channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    backbone.set_submodule(name, new)
