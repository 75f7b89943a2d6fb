"""How near a training step comes to what the machine can do, and what eats the rest.

    python benchmarks/limit.py [--architecture compact|resnet18|...] [--head ctc|noisy_or|concat]
        [--batch-size 32] [--steps 30] [--threads 1,2] [--precisions float32,bfloat16]

For each precision and number of threads: a step's FLOPs (those of convolutions and matrices) and
bytes (of all tensors that its operators read and write, as if no cache held one for the next), the
machine's FLOP/s in a large matrix product and bytes/s in a large copy, and the shares of both that
the step reaches. A share of bytes above 100 % says that caches held them. Then the operators that
take the time, computed as `compute` in params.yaml says, the batch as a whole. Runs on CUDA when
there is one.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import captcha_tagger  # noqa: F401 - sets how torch's threads wait, read on its import

# isort: split
import torch
from machine import describe_machine
from steps import finish, make_model, make_step, measure
from tabulate import tabulate
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from trials import parse_names

from captcha_tagger.base.work.processes import count_cores
from captcha_tagger.engine.compute import Machine, set_up
from captcha_tagger.params import load_params

SIZE = {"cpu": 2048, "cuda": 8192}  # rows and columns of the matrices
COPIED = {"cpu": 1 << 28, "cuda": 1 << 31}  # bytes, beyond every cache
PRECISIONS = ("float32", "bfloat16")
TOP = 12
COLUMNS = [
    "precision", "threads", "ms a step", "images/s", "GFLOP", "GFLOP/s at most", "reached",
    "MB", "GB/s at most", "reached",
]  # fmt: skip


class ByteCounter(TorchDispatchMode):
    """Adds up the bytes of all tensors that operators read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        views = any(out.alias_info and not out.alias_info.is_write for out in func._schema.returns)
        if not views and not func.__name__.startswith("empty"):
            tensors = tree_leaves((args, kwargs, result))
            self.total += sum(one.nbytes for one in tensors if isinstance(one, Tensor))
        return result


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("--architecture", default="compact")
    parser.add_argument("--head", default="ctc", choices=["ctc", "noisy_or", "concat"])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", default=",".join(map(str, sorted({1, count_cores()}))))
    known = partial(parse_names, known=PRECISIONS)
    parser.add_argument("--precisions", type=known, default=list(PRECISIONS))
    args = parser.parse_args()
    params = load_params()
    compute, shards = params.compute, params.fine_tune.shards
    machine = set_up(compute)
    print(f"{describe_machine()}\n\n{args.architecture}, {args.head}, batches of {args.batch_size}")
    table = []
    for precision in args.precisions:
        for threads in parse_threads(args.threads, machine):
            how = compute.model_copy(update={"precision": precision, "threads": threads})
            machine = set_up(how)
            model = make_model(args.architecture, args.head, machine)
            whole = make_step(model, args.batch_size, machine)
            timed = make_step(model, args.batch_size, machine, shards)
            cells = compare(whole, timed, args.batch_size, args.steps, machine)
            table.append([precision, threads, *cells])
    print(f"\n{tabulate(table, COLUMNS, 'github', disable_numparse=True)}\n")
    machine = set_up(compute)
    print(", ".join(f"{name} {value}" for name, value in machine.describe().items()))
    model = make_model(args.architecture, args.head, machine)
    step = make_step(model, args.batch_size, machine)
    print(tabulate(profile_step(step, machine), ["operator", "share of time", "calls"], "github"))


def parse_threads(text: str, machine: Machine) -> list[int]:
    """The numbers between the commas; on a GPU one, as threads of the CPU say little there."""
    return [1] if machine.device.type == "cuda" else [int(word) for word in text.split(",")]


def compare(
    whole: Callable[[], None],
    timed: Callable[[], None],
    batch_size: int,
    steps: int,
    machine: Machine,
) -> list[str]:
    """The cells of a row, from the milliseconds on; counters see the calling thread alone."""
    flops, num_bytes = count_flops(whole), count_bytes(whole)
    seconds = measure(timed, steps, machine)
    product, copied = measure_product(machine), measure_copy(machine)
    return [
        f"{seconds * 1e3:.2f}",
        f"{batch_size / seconds:.0f}",
        f"{flops / 1e9:.2f}",
        f"{product / 1e9:.0f}",
        f"{flops / seconds / product:.1%}",
        f"{num_bytes / 1e6:.0f}",
        f"{copied / 1e9:.1f}",
        f"{num_bytes / seconds / copied:.1%}",
    ]


def count_flops(step: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def count_bytes(step: Callable[[], None]) -> int:
    with ByteCounter() as counter:
        step()
    return counter.total


def measure_product(machine: Machine) -> float:
    """FLOP/s of a large square matrix product in the precision of training."""
    size = SIZE[machine.device.type]
    left = torch.randn(size, size, device=machine.device, dtype=machine.precision)
    return 2 * size**3 / measure(lambda: left @ left, 5, machine)


def measure_copy(machine: Machine) -> float:
    """Bytes/s, read and written, of a large copy."""
    size = COPIED[machine.device.type]
    source = torch.zeros(size, device=machine.device, dtype=torch.uint8)
    target = torch.empty_like(source)
    return 2 * size / measure(lambda: target.copy_(source), 5, machine)


def profile_step(step: Callable[[], None], machine: Machine) -> list[list[object]]:
    """The operators with most time of their own over 10 steps."""
    on_gpu = machine.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiler:
        for _ in range(10):
            step()
        finish(machine)
    # On a GPU the kernels are listed beside the operators that they belong to.
    events = [event for event in profiler.key_averages() if event.device_type == DeviceType.CPU]
    times = {
        event.key: event.self_device_time_total if on_gpu else event.self_cpu_time_total
        for event in events
    }
    total = sum(times.values())
    top = sorted(events, key=lambda event: -times[event.key])[:TOP]
    return [[event.key, f"{times[event.key] / total:.1%}", event.count // 10] for event in top]


if __name__ == "__main__":
    main()
