"""Draw the embedded data set: data/sample/samples/<text>.png.

python stages/sample.py data/sample/samples
"""

from pathlib import Path

from captcha_tagger.base import stage
from captcha_tagger.base.settings import load_section
from captcha_tagger.drawing.params import Sample
from captcha_tagger.drawing.sample import write_samples


def main(samples: Path) -> None:
    params = load_section("sample", Sample)
    write_samples(samples, params.images, params.characters, params.length, params.seed)


if __name__ == "__main__":
    stage.run(main)
