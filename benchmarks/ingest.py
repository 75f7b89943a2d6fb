"""How fast is ingest, and how much memory does it take, from 1,000 to 1,000,000 images?

    python benchmarks/ingest.py SOURCE [--sizes 1000 10000 100000 1000000] [--runs 3] [--work W]

SOURCE is a folder of png images named after their texts, such as the Kaggle set or data/sample.
Each is taken many times with another last row, so that all differ and none collapses; they have
the size, the format and very nearly the decoding cost of the originals. Each run is the stage as
DVC starts it, start-up, report and flushing to disk included; memory is sampled over its processes.
On a machine that others use too, the CPU time per image says more than the images/s. The last
column is fine-tuning from the packed array: steps of 32 random images, read from disk above 1 GiB.
1,000,000 images of the Kaggle set take 12 GB, and the packed array 10 GB, under --work.
"""

import argparse
import os
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from itertools import cycle
from pathlib import Path

import numpy as np
import psutil
from machine import describe_machine
from PIL import Image
from ruamel.yaml import YAML
from steps import measure as measure_seconds

from captcha_tagger.base.files import write_json
from captcha_tagger.data.dataset import load_dataset
from captcha_tagger.engine.compute import set_up
from captcha_tagger.engine.optimizer import build_optimizer
from captcha_tagger.network.card import Architecture, ModelCard
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.params import load_params
from captcha_tagger.training.objective import Plan, TaggerObjective

ROOT = Path(__file__).resolve().parent.parent
SIGNATURE = b"\x89PNG\r\n\x1a\n"
SAMPLE_SECONDS = 0.1
MEGABYTE = 1e6
STEPS = 100
COLUMNS = (
    "   images", "runs", "images/s", "    spread   ", "CPU us/image", "largest MB", "  all MB",
    "training",
)  # fmt: skip


class Variants:
    """One image as PNG files that differ in their last row only.

    Everything before the last row is compressed once; the row itself is a stored deflate block,
    so that a variant costs microseconds to make and as much as the original to decode.
    """

    def __init__(self, image: Image.Image) -> None:
        pixels = np.asarray(image.convert("RGBA"))
        filtered = _filter_up(pixels)
        packer = zlib.compressobj(6)
        self._head = packer.compress(filtered[:-1].tobytes()) + packer.flush(zlib.Z_SYNC_FLUSH)
        self._sum = zlib.adler32(filtered[:-1].tobytes())
        self._last = filtered[-1]
        size = struct.pack(">II5B", image.width, image.height, 8, 6, 0, 0, 0)
        self._start = SIGNATURE + _chunk(b"IHDR", size)

    def make(self, number: int) -> bytes:
        """Return the PNG file of the variant."""
        row = self._last.copy()
        digits = np.frombuffer(struct.pack(">I", number), np.uint8)
        grey = np.repeat(digits, 3).reshape(4, 3)
        row[1:17].reshape(4, 4)[:, :3] += grey  # the first four pixels, alpha untouched
        raw = row.tobytes()
        stored = b"\x01" + struct.pack("<HH", len(raw), 0xFFFF - len(raw)) + raw
        end = struct.pack(">I", zlib.adler32(raw, self._sum))
        return self._start + _chunk(b"IDAT", self._head + stored + end) + _chunk(b"IEND", b"")


def _filter_up(pixels: np.ndarray) -> np.ndarray:
    """PNG filter 2 on every row: the difference to the row above. (height, 1 + width * 4)"""
    above = np.concatenate([np.zeros_like(pixels[:1]), pixels[:-1]])
    rows = (pixels - above).reshape(len(pixels), -1)
    return np.concatenate([np.full((len(rows), 1), 2, np.uint8), rows], axis=1)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def add_images(source: Path, folder: Path, count: int) -> None:
    """Add different images, named after their texts, until the folder holds so many."""
    files = sorted(source.rglob("*.png"))
    variants = [(file.stem, Variants(Image.open(file))) for file in files]
    folder.mkdir(exist_ok=True)
    for number in range(sum(1 for _ in folder.iterdir()), count):
        text, variant = variants[number % len(variants)]
        (folder / f"{text}_{number}.png").write_bytes(variant.make(number))


def write_params(path: Path, source: Path) -> None:
    """This repository's params with another source."""
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["ingest"]["source"] = str(source)
    for table in ("labels", "corrections"):
        params["ingest"][table] = str(ROOT / params["ingest"][table])
    yaml.dump(params, path)


def run_ingest(folder: Path, out: Path) -> tuple[float, float, int, int]:
    """Return seconds, CPU seconds, peak resident bytes of the largest process and of all."""
    work = out.resolve().parent
    write_params(work / "params.yaml", folder.resolve())
    command = [sys.executable, str(ROOT / "stages/ingest.py"), str(out.resolve())]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    start, start_cpu = time.perf_counter(), _count_cpu_seconds()
    largest = together = 0
    with subprocess.Popen(command, cwd=work, env=environment, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            sizes = _list_resident_bytes(process.pid)
            largest, together = max([largest, *sizes]), max(together, sum(sizes))
            time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise SystemExit(f"ingest of {folder} failed with exit code {process.returncode}")
    return (
        time.perf_counter() - start, _count_cpu_seconds() - start_cpu, largest, together
    )  # fmt: skip


def time_training(out: Path, count: int) -> float:
    """Images/s of fine-tuning on the packed array, after a warm-up."""
    params = load_params()
    machine = set_up(params.compute)
    write_json(out / "parts.json", {"train": list(range(count)), "validation": []})
    data = load_dataset(out, out)
    model = Tagger(
        ModelCard(
            architecture=Architecture(name="compact", output_stride=8, dropped_stages=0),
            head="noisy_or",
            channels=1,
            height=data.pixels.shape[2],
            width=data.pixels.shape[3],
            vocabulary=data.vocabulary,
            threshold=0.5,
        )
    ).to(machine.device)
    rates = [1e-3] * len(model.layer_groups())
    plan = Plan("fine_tune", 1, 32, rates, 0.01, augment=True, seed=0, frozen=False)
    objective = TaggerObjective(model.train(), data.train_images(machine.device), plan, machine)
    optimizer = build_optimizer(model.layer_groups(), rates, 0.01)
    steps = cycle(range(objective.steps_per_epoch))

    def take_step() -> None:
        optimizer.zero_grad()
        objective(next(steps)).backward()
        optimizer.step()

    return plan.batch_size / measure_seconds(take_step, STEPS, machine)


def _count_cpu_seconds() -> float:
    """Return the CPU time of all finished child processes and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _list_resident_bytes(pid: int) -> list[int]:
    try:
        parent = psutil.Process(pid)
        return [p.memory_info().rss for p in [parent, *parent.children(recursive=True)]]
    except psutil.NoSuchProcess:
        return []


def measure(folder: Path, count: int, num_runs: int) -> str:
    """Return a line of the table."""
    out = folder.with_name("out")
    runs = [run_ingest(folder, out) for _ in range(num_runs)]
    training = time_training(out, count)
    shutil.rmtree(out)
    rates = sorted(count / run[0] for run in runs)
    cpu = statistics.median(run[1] for run in runs) / count * 1e6
    largest, together = (max(run[i] for run in runs) / MEGABYTE for i in (2, 3))
    cells = (
        f"{count:9,}", f"{num_runs:4}", f"{statistics.median(rates):8,.0f}",
        f"{rates[0]:6,.0f}-{rates[-1]:<6,.0f}", f"{cpu:12,.0f}", f"{largest:10,.0f}",
        f"{together:8,.0f}", f"{training:8,.0f}",
    )  # fmt: skip
    return " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    print(describe_machine())
    print(" | ".join(COLUMNS))
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        folder = Path(work) / "images"
        for count in sorted(options.sizes):
            add_images(options.source, folder, count)
            print(measure(folder, count, options.runs), flush=True)


if __name__ == "__main__":
    main()
