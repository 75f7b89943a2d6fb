"""Ask the final model about the validation part, and score its answers.

python stages/evaluate.py data/ingest data/split data/fine_tune data/evaluate
"""

from pathlib import Path

from captcha_tagger.base import stage
from captcha_tagger.base.files import atomic_folder
from captcha_tagger.base.record import record_soon
from captcha_tagger.base.settings import load_section
from captcha_tagger.data.held_out import open_held_out
from captcha_tagger.engine.compute import set_up
from captcha_tagger.engine.params import Compute
from captcha_tagger.evaluate.answers import ANSWERS
from captcha_tagger.evaluate.ask import ask
from captcha_tagger.evaluate.evaluation import describe, evaluate
from captcha_tagger.evaluate.params import Evaluate
from captcha_tagger.network.model_folder import load_model
from captcha_tagger.network.params import Read


def main(ingest: Path, split: Path, fine_tune: Path, out: Path) -> None:
    params = load_section("evaluate", Evaluate)
    machine = set_up(load_section("compute", Compute))
    read = load_section("read", Read)
    images = open_held_out(ingest, split)
    model = load_model(fine_tune / "model", machine.device)
    with atomic_folder(out) as folder:
        ask(
            model,
            images,
            read,
            folder / ANSWERS,
            device=machine.device,
            evidence_images=params.evidence_images,
        )
        scores = evaluate(images, model.card, params, folder)
    print(describe(scores))


if __name__ == "__main__":
    stage.run(main, then=record_soon)
