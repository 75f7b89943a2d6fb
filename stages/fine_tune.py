"""Train everything, starting from train_head's model: the unfreezing.

python stages/fine_tune.py data/ingest data/split data/train_head data/fine_tune
"""

from pathlib import Path

from captcha_tagger import stage
from captcha_tagger.checkpoint import load_model
from captcha_tagger.compute import set_up
from captcha_tagger.dataset import load_dataset
from captcha_tagger.fitting import Plan
from captcha_tagger.params import load_params
from captcha_tagger.phase import continue_history, train_phase, write_phase
from captcha_tagger.resume import ResumeFile, fingerprint
from captcha_tagger.schedule import spread
from captcha_tagger.thresholds import choose_threshold


def main(ingest: Path, split: Path, train_head: Path, out: Path) -> None:
    params = load_params()
    machine = set_up(params.compute)
    data = load_dataset(ingest, split)
    model = load_model(train_head / "model", machine.device)
    low, high = params.fine_tune.learning_rates
    plan = Plan(
        phase="fine_tune",
        epochs=params.fine_tune.epochs,
        batch_size=params.fine_tune.batch_size,
        learning_rates=spread(low, high, len(model.layer_groups())),
        weight_decay=params.fine_tune.weight_decay,
        augment=params.fine_tune.augment,
        seed=params.fine_tune.seed,
        frozen=False,
    )
    key = fingerprint(
        [params.fine_tune.model_dump(), params.compute.model_dump()],
        [
            ingest / "manifest.jsonl",
            split / "parts.json",
            train_head / "model" / "weights.safetensors",
            train_head / "model" / "model.json",
        ],
    )
    resume = ResumeFile("fine_tune", key, every_seconds=params.compute.save_every_seconds)
    history = continue_history(train_head)
    train_phase(model, data, plan, machine, resume, history)
    if params.fine_tune.threshold != "auto":
        model.set_threshold(params.fine_tune.threshold)
    elif len(data.train):
        train = data.train_images(machine.device)
        model.set_threshold(choose_threshold(model, train, params.fine_tune.seed))
    write_phase(out, model, history)
    resume.remove()


if __name__ == "__main__":
    stage.run(main)
