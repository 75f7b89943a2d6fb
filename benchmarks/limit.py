"""How near a training step comes to the machine's matrix product, and what eats the rest.

    python benchmarks/limit.py [--architecture compact|resnet18|...] [--batch-size 32] [--steps 30]

Prints FLOPs of a step (forward and backward, counted by torch), FLOP/s of the step and of a large
square matrix product in the same precision, their ratio, and the operators that take the time. Runs
where `compute` in params.yaml says: on CUDA when there is one.
"""

import argparse
import time
from collections.abc import Callable

import torch
from tabulate import tabulate
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from captcha_tagger.commands.params import load_params
from captcha_tagger.engine.compute import Machine, set_up
from captcha_tagger.engine.optimizer import build_optimizer
from captcha_tagger.network.card import Architecture, ModelCard
from captcha_tagger.network.tagger import Tagger

LABELS = 19
SIZE = {"cpu": 2048, "cuda": 8192}  # rows and columns of the matrices
TOP = 12


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("--architecture", default="compact")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    machine = set_up(load_params().compute)
    step = make_step(args.architecture, args.batch_size, machine)
    with FlopCounterMode(display=False) as counter:
        step()
    flops = counter.get_total_flops()
    seconds = measure(step, args.steps, machine)
    peak = measure_product(machine)
    print(", ".join(f"{name} {value}" for name, value in machine.describe().items()))
    print(
        f"{args.architecture}, batch {args.batch_size}: {seconds * 1e3:.2f} ms a step, "
        f"{args.batch_size / seconds:.0f} images/s, {flops / 1e9:.2f} GFLOP a step\n"
        f"{flops / seconds / 1e9:.0f} GFLOP/s of {peak / 1e9:.0f} in a matrix product: "
        f"{flops / seconds / peak:.1%}\n"
    )
    print(tabulate(profile_step(step, machine), ["operator", "share of time", "calls"], "github"))


def make_step(architecture: str, batch_size: int, machine: Machine) -> Callable[[], None]:
    """A fine-tuning step on random images of the Kaggle set's shape."""
    card = ModelCard(
        architecture=Architecture(name=architecture, output_stride=8, dropped_stages=0),
        head="noisy_or",
        channels=1,
        height=50,
        width=200,
        vocabulary=[chr(ord("a") + label) for label in range(LABELS)],
        threshold=0.5,
    )
    model = Tagger(card).to(machine.device).train()
    groups = model.layer_groups()
    optimizer = build_optimizer(groups, [1e-3] * len(groups), 0.01)
    pixels = torch.randint(0, 256, (batch_size, 1, 50, 200), device=machine.device).float()
    targets = torch.randint(0, 2, (batch_size, LABELS), device=machine.device).float()

    def step() -> None:
        with machine.autocast():
            logits = model(pixels)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def measure(call: Callable[[], object], times: int, machine: Machine) -> float:
    """Seconds a call, after a warm-up."""
    for _ in range(5):
        call()
    _finish(machine)
    started = time.perf_counter()
    for _ in range(times):
        call()
    _finish(machine)
    return (time.perf_counter() - started) / times


def measure_product(machine: Machine) -> float:
    """FLOP/s of a large square matrix product in the precision of training."""
    size = SIZE[machine.device.type]
    left = torch.randn(size, size, device=machine.device, dtype=machine.precision)
    return 2 * size**3 / measure(lambda: left @ left, 20, machine)


def profile_step(step: Callable[[], None], machine: Machine) -> list[list[object]]:
    """The operators with most time of their own over 10 steps."""
    on_gpu = machine.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiler:
        for _ in range(10):
            step()
        _finish(machine)
    # On a GPU the kernels are listed beside the operators that they belong to.
    events = [event for event in profiler.key_averages() if event.device_type == DeviceType.CPU]
    times = {
        event.key: event.self_device_time_total if on_gpu else event.self_cpu_time_total
        for event in events
    }
    total = sum(times.values())
    top = sorted(events, key=lambda event: -times[event.key])[:TOP]
    return [[event.key, f"{times[event.key] / total:.1%}", event.count // 10] for event in top]


def _finish(machine: Machine) -> None:
    if machine.device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
