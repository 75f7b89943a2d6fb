"""Ask the final model about the validation part, and score its answers.

python stages/evaluate.py data/ingest data/split data/fine_tune data/evaluate
"""

from pathlib import Path

from captcha_tagger.base import stage
from captcha_tagger.base.record import record_soon
from captcha_tagger.base.settings import load_section
from captcha_tagger.data.dataset import load_dataset
from captcha_tagger.engine.compute import set_up
from captcha_tagger.engine.params import Compute
from captcha_tagger.evaluate.ask import ask
from captcha_tagger.evaluate.evaluation import evaluate, write_evaluation
from captcha_tagger.evaluate.params import Evaluate
from captcha_tagger.network.model_folder import load_model
from captcha_tagger.network.params import Read


def main(ingest: Path, split: Path, fine_tune: Path, out: Path) -> None:
    params = load_section("evaluate", Evaluate)
    machine = set_up(load_section("compute", Compute))
    data = load_dataset(ingest, split)
    model = load_model(fine_tune / "model", machine.device)
    read = load_section("read", Read)
    # Nobody keeps the images, which may take a gigabyte, while their answers are scored.
    answers = ask(
        model,
        data.validation_images(machine.device),
        read,
        evidence_images=params.evidence_images,
    )
    evaluation = evaluate(answers, data.validation_rows, model.card, params)
    write_evaluation(evaluation, out)
    print(evaluation.headline())


if __name__ == "__main__":
    stage.run(main, then=record_soon)
