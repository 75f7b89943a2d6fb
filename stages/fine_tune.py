"""Train everything, starting from train_head's model: the unfreezing; then ask the model.

python stages/fine_tune.py data/ingest data/split data/train_head data/fine_tune
"""

from pathlib import Path

from captcha_tagger import stage
from captcha_tagger.checkpoint import load_model
from captcha_tagger.compute import set_up
from captcha_tagger.dataset import load_dataset
from captcha_tagger.inference import answer
from captcha_tagger.params import load_params
from captcha_tagger.phase import augment_samples, continue_history, fine_tune, write_phase
from captcha_tagger.recording import record_soon
from captcha_tagger.resume import ResumeFile, fingerprint


def main(ingest: Path, split: Path, train_head: Path, out: Path) -> None:
    params = load_params()
    machine = set_up(params.compute)
    data = load_dataset(ingest, split)
    model = load_model(train_head / "model", machine.device)
    key = fingerprint(
        [params.fine_tune.model_dump(), str(machine)],
        [
            Path(__file__),
            ingest / "manifest.jsonl",
            split / "parts.json",
            train_head / "model" / "weights.safetensors",
            train_head / "model" / "model.json",
        ],
    )
    resume = ResumeFile("fine_tune", key, every_seconds=params.compute.save_every_seconds)
    history = continue_history(train_head)
    fine_tune(model, data, params.fine_tune, machine, resume, history)
    augmented = augment_samples(data, params.fine_tune)
    answers = answer(model, data.validation_images(machine.device))
    write_phase(out, model, history, augmented, answers)
    resume.remove()


if __name__ == "__main__":
    stage.run(main, then=record_soon)
