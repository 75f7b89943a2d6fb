"""Train the head alone on a frozen backbone.

python stages/train_head.py data/ingest data/split data/backbone data/train_head
"""

from pathlib import Path

from captcha_tagger import stage
from captcha_tagger.compute import set_up
from captcha_tagger.dataset import load_dataset
from captcha_tagger.fitting import Plan
from captcha_tagger.params import load_params
from captcha_tagger.phase import train_phase, write_phase
from captcha_tagger.resume import ResumeFile, fingerprint
from captcha_tagger.training import History
from captcha_tagger.transfer import start_tagger


def main(ingest: Path, split: Path, backbone: Path, out: Path) -> None:
    params = load_params()
    machine = set_up(params.compute)
    data = load_dataset(ingest, split)
    model = start_tagger(backbone, data, params.train_head)
    plan = Plan(
        phase="train_head",
        epochs=params.train_head.epochs,
        batch_size=params.train_head.batch_size,
        learning_rates=[params.train_head.learning_rate] * len(model.layer_groups()),
        weight_decay=params.train_head.weight_decay,
        augment=params.train_head.augment,
        seed=params.train_head.seed,
        frozen=True,
    )
    key = fingerprint(
        [params.train_head.model_dump(), params.compute.model_dump()],
        [ingest / "manifest.jsonl", split / "parts.json", backbone / "weights.safetensors"],
    )
    resume = ResumeFile("train_head", key, every_seconds=params.compute.save_every_seconds)
    history = History()
    train_phase(model, data, plan, machine, resume, history)
    write_phase(out, model, history)
    resume.remove()


if __name__ == "__main__":
    stage.run(main)
