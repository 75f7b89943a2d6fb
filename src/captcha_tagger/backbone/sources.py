"""Where a backbone comes from: its params -> a backbone folder; the shipped one is only copied."""

from pathlib import Path

from captcha_tagger.backbone.params import Backbone
from captcha_tagger.backbone.pretraining import pretrain
from captcha_tagger.backbone.recipe import Recipe
from captcha_tagger.backbone.weights import imagenet_weights, random_weights, weights_from_file
from captcha_tagger.drawing.faces import matplotlib_faces
from captcha_tagger.engine.compute import Machine, set_up
from captcha_tagger.engine.params import Compute
from captcha_tagger.engine.resume import ResumeFile, fingerprint
from captcha_tagger.network.backbone_folder import (
    BackboneCard,
    Weights,
    backbone_weights,
    save_backbone,
)
from captcha_tagger.network.card import Architecture


def make_backbone(params: Backbone, compute: Compute, out: Path) -> None:
    """Pretrain, download, draw at random or read the weights, and write them with their card."""
    machine = set_up(compute)
    key = fingerprint("backbone", [params.model_dump(), str(machine)], [])
    resume = ResumeFile("backbone", key, every_seconds=compute.save_every_seconds)
    save_backbone(*_make(params, machine, resume), out)
    resume.remove()


def _make(params: Backbone, machine: Machine, resume: ResumeFile) -> tuple[BackboneCard, Weights]:
    architecture = Architecture(
        name=params.architecture,
        output_stride=params.output_stride,
        dropped_stages=params.dropped_stages,
    )
    alphabet: list[str] = []
    match params.source:
        case "synthetic":
            recipe = Recipe.of(params, matplotlib_faces())
            model = pretrain(architecture, recipe, machine, resume)
            alphabet, weights = model.card.vocabulary, backbone_weights(model)
        case "imagenet":
            weights = imagenet_weights(architecture)
        case "random":
            weights = random_weights(architecture, params.seed)
        case "file":
            weights = weights_from_file(architecture, Path(params.file))
        case "shipped":
            raise AssertionError("shipped weights are copied")
    card = BackboneCard(architecture=architecture, source=params.source, alphabet=alphabet)
    return card, weights
