"""Train everything, starting from train_head's model: the unfreezing.

python stages/fine_tune.py data/ingest data/split data/train_head data/fine_tune
"""

from pathlib import Path

from captcha_tagger.base import stage
from captcha_tagger.base.record import record_soon
from captcha_tagger.base.settings import load_section
from captcha_tagger.data.dataset import load_dataset
from captcha_tagger.engine.compute import set_up
from captcha_tagger.engine.params import Compute
from captcha_tagger.engine.resume import ResumeFile, fingerprint
from captcha_tagger.network.model_folder import load_model
from captcha_tagger.training.params import FineTune
from captcha_tagger.training.phases import (
    augment_samples,
    continue_history,
    fine_tune,
    write_phase,
)


def main(ingest: Path, split: Path, train_head: Path, out: Path) -> None:
    params = load_section("fine_tune", FineTune)
    compute = load_section("compute", Compute)
    machine = set_up(compute)
    data = load_dataset(ingest, split)
    model = load_model(train_head / "model", machine.device)
    key = fingerprint(
        "fine_tune",
        [params.model_dump(), str(machine)],
        [
            ingest / "manifest.jsonl",
            split / "parts.json",
            train_head / "model" / "weights.safetensors",
            train_head / "model" / "model.json",
        ],
    )
    resume = ResumeFile("fine_tune", key, every_seconds=compute.save_every_seconds)
    history = continue_history(train_head)
    fine_tune(model, data, params, machine, resume, history)
    write_phase(out, model, history, augment_samples(data, params))
    resume.remove()


if __name__ == "__main__":
    stage.run(main, then=record_soon)
