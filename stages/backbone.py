"""Make the pretrained feature extractor a tracked file.

python stages/backbone.py data/backbone
"""

from pathlib import Path

from captcha_tagger.base import stage
from captcha_tagger.backbone.params import Backbone
from captcha_tagger.backbone.shipped import copy_shipped
from captcha_tagger.base.settings import load_section
from captcha_tagger.engine.params import Compute


def main(out: Path) -> None:
    params = load_section("backbone", Backbone)
    if params.source == "shipped":
        copy_shipped(out)
        return
    from captcha_tagger.backbone.sources import make_backbone  # torch takes 2 s to load

    make_backbone(params, load_section("compute", Compute), out)


if __name__ == "__main__":
    stage.run(main)
