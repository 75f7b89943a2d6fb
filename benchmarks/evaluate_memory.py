"""How much memory do evaluate and top_losses take, from 10,000 to 1,000,000 validation images?

    python benchmarks/evaluate_memory.py [--sizes 10000 100000 1000000] [--work W]

The stages themselves train a small model on 2,000 images of 16x64 pixels. Then the validation part
is made large: the same texts under other noise, so that no two answers are equal, and one name in a
thousand wrong. Each run is the stage as DVC starts it. `anonymous` is what only swap could take
away; `resident` counts besides it what the system can drop at any time: mapped files and libraries.
The bootstrap draws 100 times instead of 2,000, which changes its time alone. 1,000,000 images take
2 GB under --work.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from machine import describe_machine
from PIL import Image, ImageDraw
from ruamel.yaml import YAML

from captcha_tagger.base.files import write_json, write_table
from captcha_tagger.data.labels import make_vocabulary
from captcha_tagger.data.manifest import Row, write_manifest
from captcha_tagger.data.pixels import PixelWriter, Shape
from captcha_tagger.ingest.summary import summarize, write_summary
from captcha_tagger.ingest.verdicts import Tally

ROOT = Path(__file__).resolve().parent.parent
LABELS = list("2345678bcdefgmnpwxy")
SHAPE = Shape(1, 16, 64)
DRAWN = 2000
NOISE = 40  # of 255: some images become hard
WRONG_NAMES = 0.001
BLOCK = 10_000
SAMPLE_SECONDS = 0.05
PARAMS: dict[str, dict[str, Any]] = {
    "backbone": {"source": "random", "output_stride": 4},
    "fine_tune": {"epochs": 4},
    "evaluate": {"resamples": 100},
    "compute": {"device": "cpu"},
}
TRAINING = {
    "split": ("ingest",),
    "backbone": (),
    "train_head": ("ingest", "split", "backbone"),
    "fine_tune": ("ingest", "split", "train_head"),
}
MEASURED = {
    "evaluate": ("ingest", "split", "fine_tune"),
    "top_losses": ("ingest", "split", "train_head", "fine_tune", "evaluate"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--work", type=Path, help="where to write (default: the system's /tmp)")
    options = parser.parse_args()
    print(describe_machine())
    print("    images | stage      | anonymous MB | resident MB | seconds", flush=True)
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        folder = Path(work)
        write_params(folder / "params.yaml")
        texts, drawn = draw(np.random.default_rng(0))
        write_ingest(folder / "data/ingest", texts, drawn, DRAWN)
        for stage, inputs in TRAINING.items():
            run(folder, stage, inputs)
        for size in sorted(options.sizes):
            write_ingest(folder / "data/ingest", texts, drawn, size)
            parts = {"train": [], "validation": list(range(size))}
            write_json(folder / "data/split/parts.json", parts)
            for stage, inputs in MEASURED.items():
                anonymous, resident, seconds = run(folder, stage, inputs)
                cells = f"{anonymous:12,.0f} | {resident:11,.0f} | {seconds:7,.0f}"
                print(f"{size:10,} | {stage:10} | {cells}", flush=True)


def write_params(path: Path) -> None:
    """This repository's params but for what makes the model small."""
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    for section, values in PARAMS.items():
        params[section].update(values)
    yaml.dump(params, path)


def draw(random: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Texts of five characters, and their images (images, channels, height, width)."""
    texts = ["".join(random.choice(LABELS, 5)) for _ in range(DRAWN)]
    images = []
    for text in texts:
        image = Image.new("L", (SHAPE.width, SHAPE.height), 210)
        pen = ImageDraw.Draw(image)
        for place, character in enumerate(text):
            pen.text((3 + 12 * place, 0), character, font_size=13, fill=60)
        images.append(np.asarray(image)[None])
    return texts, np.stack(images)


def write_ingest(folder: Path, texts: list[str], drawn: np.ndarray, size: int) -> None:
    """What ingest would leave of so many images."""
    random = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(size):
        wrong = random.random() < WRONG_NAMES
        text = texts[(number + wrong) % DRAWN]
        rows.append(Row(f"images/{text}_{number}.png", text, f"{number:064x}", 64, 16))
    with PixelWriter(folder / "pixels.npy", SHAPE) as writer:
        for start in range(0, size, BLOCK):
            picks = np.arange(start, min(start + BLOCK, size)) % DRAWN
            noise = random.integers(-NOISE, NOISE + 1, (len(picks), *SHAPE), np.int16)
            writer.append((drawn[picks] + noise).clip(0, 255).astype(np.uint8))
    write_manifest(folder / "manifest.jsonl", rows)
    write_json(folder / "vocabulary.json", make_vocabulary(texts))
    write_table(folder / "rejects.csv", ["file", "reason"], [])
    write_table(folder / "corrections.csv", ["file", "text", "why"], [])
    write_summary(folder, summarize(rows), Tally(SHAPE, rows=size))


def run(folder: Path, stage: str, inputs: tuple[str, ...]) -> tuple[float, float, float]:
    """Run a stage; its peak anonymous and resident megabytes, and its seconds."""
    paths = [f"data/{name}" for name in (*inputs, stage)]
    command = [sys.executable, str(ROOT / "stages" / f"{stage}.py"), *paths]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    start, anonymous, resident = time.perf_counter(), 0, 0
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            now = read_memory(process.pid)
            anonymous, resident = max(anonymous, now[0]), max(resident, now[1])
            time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise SystemExit(f"{stage} failed with exit code {process.returncode}")
    return anonymous / 1e6, resident / 1e6, time.perf_counter() - start


def read_memory(pid: int) -> tuple[int, int]:
    """Anonymous and resident bytes of a process; nothing of one that has ended."""
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.NoSuchProcess:
        return 0, 0
    return memory.rss - memory.shared, memory.rss


if __name__ == "__main__":
    main()
