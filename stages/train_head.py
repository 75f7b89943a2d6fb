"""Train the head alone on a frozen backbone.

python stages/train_head.py data/ingest data/split data/backbone data/train_head
"""

from pathlib import Path

from captcha_tagger import stage
from captcha_tagger.compute import set_up
from captcha_tagger.dataset import load_dataset
from captcha_tagger.params import load_params
from captcha_tagger.phase import train_head, write_phase
from captcha_tagger.recording import record_soon
from captcha_tagger.resume import ResumeFile, fingerprint
from captcha_tagger.transfer import start_tagger


def main(ingest: Path, split: Path, backbone: Path, out: Path) -> None:
    params = load_params()
    machine = set_up(params.compute)
    data = load_dataset(ingest, split)
    model = start_tagger(backbone, data, params.train_head)
    key = fingerprint(
        [params.train_head.model_dump(), str(machine)],
        [
            Path(__file__),
            ingest / "manifest.jsonl",
            split / "parts.json",
            backbone / "weights.safetensors",
            backbone / "backbone.json",
        ],
    )
    resume = ResumeFile("train_head", key, every_seconds=params.compute.save_every_seconds)
    history = train_head(model, data, params.train_head, machine, resume)
    write_phase(out, model, history)
    resume.remove()


if __name__ == "__main__":
    stage.run(main, then=record_soon)
