"""Make the pretrained feature extractor a tracked file.

python stages/backbone.py data/backbone
"""

from pathlib import Path

from captcha_tagger import stage
from captcha_tagger.card import Architecture
from captcha_tagger.compute import set_up
from captcha_tagger.params import load_params
from captcha_tagger.pretrained import (
    BackboneCard,
    backbone_weights,
    imagenet_weights,
    random_weights,
    save_backbone,
    weights_from_file,
)
from captcha_tagger.pretraining import pretrain
from captcha_tagger.resume import ResumeFile, fingerprint


def main(out: Path) -> None:
    params = load_params()
    architecture = Architecture(
        name=params.backbone.architecture,
        output_stride=params.backbone.output_stride,
        dropped_stages=params.backbone.dropped_stages,
    )
    machine = set_up(params.compute)
    key = fingerprint([params.backbone.model_dump(), str(machine)], [Path(__file__)])
    resume = ResumeFile("backbone", key, every_seconds=params.compute.save_every_seconds)
    alphabet: list[str] = []
    normalization = None
    match params.backbone.source:
        case "synthetic":
            model = pretrain(architecture, params.backbone, machine, resume)
            weights = backbone_weights(model)
            alphabet, normalization = model.card.vocabulary, model.card.normalization
        case "imagenet":
            weights = imagenet_weights(architecture)
        case "random":
            weights = random_weights(architecture, params.backbone.seed)
        case "file":
            assert params.backbone.file is not None
            weights = weights_from_file(architecture, Path(params.backbone.file))
    card = BackboneCard(
        architecture=architecture,
        source=params.backbone.source,
        alphabet=alphabet,
        normalization=normalization,
    )
    save_backbone(card, weights, out)
    resume.remove()


if __name__ == "__main__":
    stage.run(main)
