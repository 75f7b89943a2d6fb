"""What would N workers gain? A model of cost from what one core of this machine does.

    python benchmarks/scaling.py [--gbit 10] [--gpu-milliseconds 5]

Measures, on one thread and by its CPU time: a training step of 32 images, judging an image in
ingest, and what the driver of a cluster spends on an image that a task has judged. From these, and
from the assumptions that it prints, it computes training in shards and ingest on up to 64 workers
and up to 1e9 images. Nothing in the tables was run on more than this machine.
"""

import argparse
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from machine import describe_machine
from steps import make_model, make_step

from captcha_tagger.data.manifest import Row
from captcha_tagger.data.pixels import PixelWriter, Shape
from captcha_tagger.drawing.sample import write_samples
from captcha_tagger.engine.compute import Machine
from captcha_tagger.ingest.ingest import Asked, judge_batch, limits_of, write_part
from captcha_tagger.ingest.known_texts import Known
from captcha_tagger.ingest.verdicts import SeenPixels, format_outcome
from captcha_tagger.params import load_params
from captcha_tagger.source.source import open_source

WORKERS = (1, 2, 4, 8, 16, 32, 64)
IMAGES = (10**6, 10**8, 10**9)
SHARDS, SHARD_IMAGES = 64, 32  # a batch of 2,048
LATENCY_SECONDS = 50e-6  # of one message between two machines of a data centre
FILE_BYTES = 10_000  # read by a task, for each image
NAME_BYTES = 250  # of the driver's memory, for each image
REPEATS = 5


class Costs(NamedTuple):
    """What was measured: CPU seconds on one thread, and bytes."""

    step: float  # of one shard, forward and back
    exchanged: int  # by each worker in a step
    judge: float  # of one image by a task
    drive: float  # of one image by the driver
    pixels: int  # of one image


def time_cpu(function: Callable[[], object]) -> float:
    """The median CPU seconds of a few calls, after one that warms up."""
    function()
    seconds = []
    for _ in range(REPEATS):
        began = time.process_time()
        function()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def measure() -> Costs:
    torch.set_num_threads(1)
    machine = Machine(torch.device("cpu"), 1, torch.float32, deterministic=True)
    model = make_model("compact", "ctc", machine)
    step = time_cpu(make_step(model, SHARD_IMAGES, machine))
    values = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers())) + 1
    with tempfile.TemporaryDirectory() as folder:
        judge, drive, pixels = measure_ingest(Path(folder))
    return Costs(step, 4 * values, judge, drive, pixels)


def measure_ingest(folder: Path) -> tuple[float, float, int]:
    """Of one image: a task's CPU seconds, the driver's, and the bytes of its pixels."""
    params, sample = load_params().ingest, load_params().sample
    write_samples(folder / "in", 1000, sample.characters, sample.length, seed=0)
    (folder / "parts").mkdir()
    shape = Shape(1, 50, 200)
    with open_source(folder / "in", limits_of(params)) as source:
        batch = [Asked(listed, Known(None)) for listed in source.list_files()]
        judge = partial(judge_batch, opener=source.opener, params=params, shape=shape)
        by_task = time_cpu(partial(write_part, batch, judge, folder / "parts"))
        judged = write_part(batch, judge, folder / "parts")

    def drive() -> None:
        """Ask, take the answer, look for twins, copy the pixels, write the lines."""
        pickle.dumps(batch)
        outcomes = pickle.loads(pickle.dumps(judged)).outcomes
        seen = SeenPixels()
        with (folder / "spool").open("w") as lines, PixelWriter(folder / "all.npy", shape) as all_:
            kept = [seen.add(outcome) for outcome in outcomes if isinstance(outcome, Row)]
            assert isinstance(judged.pixels, Path)
            all_.append(np.load(judged.pixels)[kept])
            lines.writelines(map(format_outcome, outcomes))

    return by_task / len(batch), time_cpu(drive) / len(batch), int(np.prod(shape))


def train_seconds(workers: int, step: float, exchanged: int, bytes_a_second: float) -> float:
    """Of one step: each worker its part of the shards, then everybody everybody's sum."""
    received = (workers - 1) * (exchanged / bytes_a_second + LATENCY_SECONDS)
    return SHARDS / workers * step + received


def ingest_rate(cores: int, costs: Costs, bytes_a_second: float) -> tuple[float, str]:
    """Images a second, and what holds them up: the tasks, the driver, or the shared disk."""
    moved = FILE_BYTES + 3 * costs.pixels  # the part is written and read, and the whole written
    rates = {
        cores / costs.judge: "tasks",
        1 / costs.drive: "driver",
        bytes_a_second / moved: "disk",
    }
    return min(rates), rates[min(rates)]


def print_training(name: str, step: float, costs: Costs, gbits: list[float]) -> None:
    print(f"\nTraining, {name}: images/s (share of perfect), a batch of {SHARDS * SHARD_IMAGES:,}")
    print(" workers | " + " | ".join(f"{gbit:7g} Gbit/s" for gbit in gbits))
    for workers in WORKERS:
        cells = []
        for gbit in gbits:
            seconds = train_seconds(workers, step, costs.exchanged, gbit * 1e9 / 8)
            share = SHARDS * step / workers / seconds
            cells.append(f"{SHARDS * SHARD_IMAGES / seconds:8,.0f} {share:5.0%}")
        print(f"{workers:8} | " + " | ".join(cells))


def print_ingest(costs: Costs, gbit: float) -> None:
    print(f"\nIngest, a shared disk of {gbit:g} Gbit/s: images/s, what bounds it, hours")
    heads = " | ".join(f"{number:8.0e}" for number in IMAGES)
    print(f"   cores | images/s | bound  | {heads}")
    for cores in WORKERS:
        rate, bound = ingest_rate(cores, costs, gbit * 1e9 / 8)
        hours = " | ".join(f"{number / rate / 3600:8.2f}" for number in IMAGES)
        print(f"{cores:8} | {rate:8,.0f} | {bound:6} | {hours}")
    memory = ", ".join(f"{number * NAME_BYTES / 1e9:g} GB for {number:.0e}" for number in IMAGES)
    print(f"The driver keeps {NAME_BYTES} bytes an image: {memory}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gbit", type=float, nargs="+", default=[1, 10, 100], help="network")
    parser.add_argument("--disk-gbit", type=float, default=10, help="of the file system shared")
    parser.add_argument(
        "--gpu-milliseconds", type=float, default=5, help="of a shard's step on a GPU: assumed"
    )
    options = parser.parse_args()
    costs = measure()
    print(describe_machine())
    print(
        f"Measured: {costs.step * 1e3:.0f} ms of CPU a step of {SHARD_IMAGES} images, "
        f"{costs.exchanged / 1e6:.2f} MB to exchange; "
        f"{costs.judge * 1e6:.0f} us an image by a task, {costs.drive * 1e6:.0f} us by the driver."
    )
    print(
        f"Assumed: {LATENCY_SECONDS * 1e6:.0f} us a message; every worker a core, or a GPU that "
        f"takes {options.gpu_milliseconds:g} ms a shard; workers that wait for nobody but for each "
        f"other's sums, which come one after the other; files of {FILE_BYTES:,} bytes. Start-up, "
        "the scoring of epochs and the end of ingest, which reads its spool once, are left out."
    )
    print_training("a core each", costs.step, costs, options.gbit)
    print_training("a GPU each", options.gpu_milliseconds / 1e3, costs, options.gbit)
    print_ingest(costs, options.disk_gbit)


if __name__ == "__main__":
    main()
