"""Score the final model on the validation part.

python stages/evaluate.py data/ingest data/split data/fine_tune data/evaluate
"""

from pathlib import Path

from captcha_tagger import stage
from captcha_tagger.checkpoint import load_model
from captcha_tagger.compute import set_up
from captcha_tagger.dataset import load_dataset
from captcha_tagger.evaluation import evaluate, write_evaluation
from captcha_tagger.params import load_params
from captcha_tagger.recording import record_soon


def main(ingest: Path, split: Path, fine_tune: Path, out: Path) -> None:
    params = load_params()
    machine = set_up(params.compute)
    data = load_dataset(ingest, split)
    model = load_model(fine_tune / "model", machine.device)
    evaluation = evaluate(model, data, params.evaluate, machine)
    write_evaluation(evaluation, out)
    print(evaluation.headline())


if __name__ == "__main__":
    stage.run(main, then=record_soon)
