"""Make the pretrained feature extractor a tracked file.

python stages/backbone.py data/backbone
"""

from pathlib import Path

from captcha_tagger.backbone.params import Backbone
from captcha_tagger.backbone.pretraining import pretrain
from captcha_tagger.backbone.weights import imagenet_weights, random_weights, weights_from_file
from captcha_tagger.base import stage
from captcha_tagger.base.settings import load_section
from captcha_tagger.engine.compute import set_up
from captcha_tagger.engine.params import Compute
from captcha_tagger.engine.resume import ResumeFile, fingerprint
from captcha_tagger.network.backbone_folder import BackboneCard, backbone_weights, save_backbone
from captcha_tagger.network.card import Architecture


def main(out: Path) -> None:
    params, compute = load_section("backbone", Backbone), load_section("compute", Compute)
    architecture = Architecture(
        name=params.architecture,
        output_stride=params.output_stride,
        dropped_stages=params.dropped_stages,
    )
    machine = set_up(compute)
    key = fingerprint("backbone", [params.model_dump(), str(machine)], [])
    resume = ResumeFile("backbone", key, every_seconds=compute.save_every_seconds)
    alphabet: list[str] = []
    normalization = None
    match params.source:
        case "synthetic":
            model = pretrain(architecture, params, machine, resume)
            weights = backbone_weights(model)
            alphabet, normalization = model.card.vocabulary, model.card.normalization
        case "imagenet":
            weights = imagenet_weights(architecture)
        case "random":
            weights = random_weights(architecture, params.seed)
        case "file":
            weights = weights_from_file(architecture, Path(params.file))
    card = BackboneCard(
        architecture=architecture,
        source=params.source,
        alphabet=alphabet,
        normalization=normalization,
    )
    save_backbone(card, weights, out)
    resume.remove()


if __name__ == "__main__":
    stage.run(main)
