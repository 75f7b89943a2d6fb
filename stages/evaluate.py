"""Score the final model's answers on the validation part.

python stages/evaluate.py data/ingest data/split data/fine_tune data/evaluate
"""

from pathlib import Path

from captcha_tagger import stage
from captcha_tagger.answers import read_logits
from captcha_tagger.card import load_card
from captcha_tagger.evaluation import evaluate, write_evaluation
from captcha_tagger.files import read_json
from captcha_tagger.manifest import read_manifest
from captcha_tagger.params import load_params
from captcha_tagger.recording import record_soon


def main(ingest: Path, split: Path, fine_tune: Path, out: Path) -> None:
    rows = read_manifest(ingest / "manifest.jsonl")
    validation = read_json(split / "parts.json")["validation"]
    evaluation = evaluate(
        read_logits(fine_tune / "answers", validation),
        [rows[row] for row in validation],
        load_card(fine_tune / "model"),
        load_params().evaluate,
    )
    write_evaluation(evaluation, out)
    print(evaluation.headline())


if __name__ == "__main__":
    stage.run(main, then=record_soon)
