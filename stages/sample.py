"""Draw the embedded data set: data/sample/samples/<text>.png.

PYTHONPATH=src python stages/sample.py data/sample/samples
"""

from pathlib import Path

from captcha_tagger import stage
from captcha_tagger.params import load_params
from captcha_tagger.synthetic import write_samples


def main(samples: Path) -> None:
    params = load_params().sample
    write_samples(samples, params.images, params.characters, params.length, params.seed)


if __name__ == "__main__":
    stage.run(main)
