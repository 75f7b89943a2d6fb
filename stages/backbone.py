"""Make the pretrained feature extractor a tracked file.

python stages/backbone.py data/backbone
"""

from pathlib import Path

from captcha_tagger import stage
from captcha_tagger.card import Architecture
from captcha_tagger.params import load_params
from captcha_tagger.pretrained import (
    BackboneCard,
    imagenet_weights,
    random_weights,
    save_backbone,
    weights_from_file,
)


def main(out: Path) -> None:
    params = load_params().backbone
    architecture = Architecture(
        name=params.architecture,
        output_stride=params.output_stride,
        dropped_stages=params.dropped_stages,
    )
    match params.source:
        case "imagenet":
            weights = imagenet_weights(architecture)
        case "file":
            assert params.file is not None
            weights = weights_from_file(architecture, Path(params.file))
        case _:
            weights = random_weights(architecture, params.seed)
    card = BackboneCard(
        architecture=architecture, source=params.source, alphabet="", normalization=None
    )
    save_backbone(card, weights, out)


if __name__ == "__main__":
    stage.run(main)
