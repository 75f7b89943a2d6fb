"""Train the head alone on a frozen backbone.

python stages/train_head.py data/ingest data/split data/backbone data/train_head
"""

from pathlib import Path

from captcha_tagger.base import stage
from captcha_tagger.base.record import record_soon
from captcha_tagger.base.settings import load_section
from captcha_tagger.data.dataset import load_dataset
from captcha_tagger.engine.compute import set_up
from captcha_tagger.engine.params import Compute
from captcha_tagger.engine.resume import ResumeFile, fingerprint
from captcha_tagger.training.params import TrainHead
from captcha_tagger.training.phases import train_head, write_phase
from captcha_tagger.training.start import start_tagger


def main(ingest: Path, split: Path, backbone: Path, out: Path) -> None:
    params = load_section("train_head", TrainHead)
    compute = load_section("compute", Compute)
    machine = set_up(compute)
    data = load_dataset(ingest, split)
    model = start_tagger(backbone, data, params)
    key = fingerprint(
        "train_head",
        [params.model_dump(), str(machine)],
        [
            ingest / "manifest.jsonl",
            split / "parts.json",
            backbone / "weights.safetensors",
            backbone / "backbone.json",
        ],
    )
    resume = ResumeFile("train_head", key, every_seconds=compute.save_every_seconds)
    history = train_head(model, data, params, machine, resume)
    write_phase(out, model, history)
    resume.remove()


if __name__ == "__main__":
    stage.run(main, then=record_soon)
