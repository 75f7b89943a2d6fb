"""What a GPU makes of training: one command of under ten minutes that downloads nothing.

    python benchmarks/gpu.py [FOLDER] [--seconds 480] [--small]

FOLDER holds labelled captchas; without one, `sample` of params.yaml is drawn. Prints Markdown:

- the machine, with its FLOP/s in a large matrix product and bytes/s in a large copy;
- train_head and fine_tune by the default and the original recipe, each twice: seconds of the first
  and the second, images/s, exact set, peak memory, and whether both models are equal to the bit;
- pretraining: what the processor draws, what the GPU learns from, and both together;
- fine-tuning's step as it is, in a CUDA graph and compiled, with the seconds of getting there and
  the steps after which they are earned back.

What fails says why in its row. After --seconds no further row is begun; what was left out is named.
--small, which is the default without a GPU, takes few images and steps: would it work? Compact
starts from the weights that come with the package where they are there, all else from random ones.
The packages that it needs are in docs/gpu.md.
"""

import argparse
import hashlib
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import captcha_tagger  # noqa: F401 - sets how torch's threads wait, read on its import

# isort: split
import torch
from limit import count_flops, measure_copy, measure_product
from machine import describe_machine
from steps import finish, make_model, make_step, measure
from tabulate import tabulate
from trials import ORIGINAL, change, load_images, split, train

from captcha_tagger.backbone.pretraining import pretrain
from captcha_tagger.backbone.recipe import Recipe
from captcha_tagger.backbone.shipped import FOLDER as SHIPPED
from captcha_tagger.backbone.weights import random_weights
from captcha_tagger.base.work.processes import count_cores, start_pool
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.drawing.batches import draw_batch
from captcha_tagger.drawing.faces import matplotlib_faces
from captcha_tagger.drawing.sample import write_samples
from captcha_tagger.engine.compute import Machine, set_up
from captcha_tagger.engine.resume import ResumeFile
from captcha_tagger.metrics.sets import count, exact_set
from captcha_tagger.network.backbone_folder import BackboneCard, save_backbone
from captcha_tagger.network.card import Architecture
from captcha_tagger.network.inference import infer
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.params import Params, load_params

PARAMS = Path(__file__).resolve().parents[1] / "params.yaml"
ARCHITECTURES = ("compact", "resnet18")
TRAININGS = [
    "recipe", "architecture", "precision", "deterministic", "s first", "s second", "images/s",
    "exact set %", "peak MB", "equal to the bit",
]  # fmt: skip
STEPS = [
    "architecture", "batch", "how", "s to start", "ms a step", "images/s", "of the peak",
    "earned back after",
]  # fmt: skip
PRETRAINING = ["what", "batch", "images/s"]


@dataclass(frozen=True)
class Size:
    """How much is measured; `epochs` of each phase, None: the recipe's own."""

    images: int
    epochs: int | None
    batches: tuple[int, ...]
    steps: int
    drawn: int  # batches of 64


FULL = Size(images=1000, epochs=None, batches=(32, 256), steps=100, drawn=400)
SMALL = Size(images=60, epochs=1, batches=(8,), steps=3, drawn=2)


@dataclass(frozen=True)
class Bench:
    params: Params
    machine: Machine
    size: Size
    work: Path
    until: float  # by time.monotonic

    @property
    def on_gpu(self) -> bool:
        return self.machine.device.type == "cuda"


@dataclass(frozen=True)
class Case:
    """One row: its first cells, and what measures the others."""

    cells: list[Any]
    measure: Callable[[], list[Any]]


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    until = time.monotonic() + args.seconds
    params = load_params(PARAMS)
    machine = set_up(params.compute)  # deterministic, as cuBLAS asks what it may do only once
    size = FULL if machine.device.type == "cuda" and not args.small else SMALL
    with TemporaryDirectory() as work:
        bench = Bench(params, machine, size, Path(work), until)
        print(describe(bench), flush=True)
        data = load(args.folder, bench)
        print(f"\n{len(data.train)} images to train on, {len(data.validation)} to score\n")
        print_table(TRAININGS, list_trainings(data, bench), bench)
        print_table(PRETRAINING, list_pretraining(bench), bench)
        print_table(STEPS, list_steps(bench), bench)


def print_table(columns: list[str], cases: Iterator[Case], bench: Bench) -> None:
    """Measure case by case, while there is time; a case that fails says why in its row.

    A case is measured before the next is asked for, which sets torch's switches anew.
    """
    rows, left_out = [], []
    for case in cases:
        if time.monotonic() > bench.until:
            left_out.append(" ".join(map(str, case.cells)))
            continue
        try:
            rows.append(case.cells + case.measure())
        except Exception as error:  # the first minute on a GPU is too dear to end here
            rows.append([*case.cells, f"{type(error).__name__}: {first_line(error)}"])
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)  # stays where the run is killed
    print(tabulate(rows, columns, "github", disable_numparse=True, missingval="-"))
    print(f"\nLeft out for want of time: {', '.join(left_out)}\n" if left_out else "", flush=True)


def first_line(error: Exception) -> str:
    return (str(error).strip() or "no reason given").partition("\n")[0].replace("|", "/")


def describe(bench: Bench) -> str:
    """The processor, the GPU, and the peaks that shares are of."""
    lines = [describe_machine()]
    if bench.on_gpu:
        gpu = torch.cuda.get_device_properties(bench.machine.device)
        lines.append(
            f"{gpu.name}, {gpu.total_memory / 1e9:.0f} GB, compute capability {gpu.major}."
            f"{gpu.minor}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
        )
    for precision in ("float32", "bfloat16"):
        machine = resolve(bench, precision=precision)
        lines.append(f"{precision}: {measure_product(machine) / 1e12:.2f} TFLOP/s in a product")
    lines.append(f"{measure_copy(bench.machine) / 1e9:.0f} GB/s in a copy, read and written")
    return "\n".join(f"- {line}" for line in lines)


def resolve(bench: Bench, **changes: Any) -> Machine:
    return set_up(bench.params.compute.model_copy(update=changes))


def load(folder: Path | None, bench: Bench) -> Dataset:
    """The folder's images, or drawn ones, split as params.yaml says."""
    if folder is None:
        folder, sample = bench.work / "sample", bench.params.sample
        write_samples(folder, bench.size.images, sample.characters, sample.length, sample.seed)
    with redirect_stdout(StringIO()):
        return split(load_images(folder, bench.params), bench.params)


def list_trainings(data: Dataset, bench: Bench) -> Iterator[Case]:
    """Both recipes with both networks; the default also in float32 and not deterministic."""
    recipes = {"default": {}, "original": ORIGINAL}
    for recipe, changes in recipes.items():
        for architecture in ARCHITECTURES:
            stride = 32 if (recipe, architecture) == ("original", "resnet18") else 8
            network = {"backbone.architecture": architecture, "backbone.output_stride": stride}
            if (recipe, architecture) != ("default", "compact"):
                network["backbone.source"] = "random"
            params = change(bench.params, changes | network | shorten(bench.size))
            backbone = find_backbone(params, bench.work / f"backbone-{architecture}-{stride}")
            for precision, deterministic in pick_ways(recipe, bench):
                machine = resolve(bench, precision=precision, deterministic=deterministic)
                name = machine.describe()["precision"]
                cells = [recipe, architecture, name, "yes" if deterministic else "no"]
                yield Case(cells, partial(time_trainings, data, backbone, params, machine))


def shorten(size: Size) -> dict[str, object]:
    if size.epochs is None:
        return {}
    return {"train_head.epochs": size.epochs, "fine_tune.epochs": size.epochs}


def pick_ways(recipe: str, bench: Bench) -> list[tuple[str, bool]]:
    """Precisions, and whether to be deterministic."""
    ways = [("auto", True), ("auto", False)]
    return [*ways, ("float32", True)] if recipe == "default" and bench.on_gpu else ways


def find_backbone(params: Params, folder: Path) -> Path:
    """The shipped weights where the network is theirs and they are there, else random ones."""
    chosen = params.backbone
    if chosen.source == "shipped" and SHIPPED.exists():
        return SHIPPED
    architecture = Architecture(
        name=chosen.architecture, output_stride=chosen.output_stride, dropped_stages=0
    )
    card = BackboneCard(architecture=architecture, source="random", alphabet=[])
    save_backbone(card, random_weights(architecture, chosen.seed), folder)
    return folder


def time_trainings(data: Dataset, backbone: Path, params: Params, machine: Machine) -> list[Any]:
    """Both phases twice: the cells from the seconds on."""
    reset_memory(machine)
    seconds, digests = [], []
    for _ in range(2):
        started = time.perf_counter()
        model, epochs = train(data, backbone, params, machine)
        finish(machine)
        seconds.append(time.perf_counter() - started)
        digests.append(digest(model))
    peak = read_memory(machine)
    return [
        f"{seconds[0]:.2f}",
        f"{seconds[1]:.2f}",
        f"{len(data.train) * len(epochs) / seconds[1]:.0f}",
        f"{100 * score(model, data, machine):.1f}",
        f"{peak / 1e6:.0f}",
        "yes" if digests[0] == digests[1] else "NO",
    ]


def digest(model: Tagger) -> str:
    """A hash of all weights, to the bit."""
    content = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        content.update(name.encode() + tensor.cpu().numpy().tobytes())
    return content.hexdigest()


def score(model: Tagger, data: Dataset, machine: Machine) -> float:
    images = data.validation_images(machine.device)
    found = infer(model, images).probs > model.card.threshold
    return exact_set(count(found, images.targets.cpu().numpy() > 0.5))


def reset_memory(machine: Machine) -> None:
    if machine.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def read_memory(machine: Machine) -> int:
    """The most bytes since the reset on a GPU, or resident since the process began."""
    if machine.device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def list_steps(bench: Bench) -> Iterator[Case]:
    """A step of each network and size, as it is, in a CUDA graph and compiled."""
    ways: dict[str, Callable[..., None]] = {"as it is": keep}
    if bench.on_gpu:
        ways["CUDA graph"] = record
    ways["torch.compile"] = compile_backbone
    machine = resolve(bench, deterministic=False)
    peak = measure_product(machine)
    for architecture in ARCHITECTURES:
        for batch in bench.size.batches:
            usual: list[float] = []  # seconds of a step as it is, once known
            for name, prepare in ways.items():
                time_it = partial(
                    time_step, architecture, batch, prepare, machine, bench.size.steps, peak, usual
                )
                yield Case([architecture, batch, name], time_it)


def time_step(
    architecture: str,
    batch: int,
    prepare: Callable[[Tagger, int, Machine], None],
    machine: Machine,
    steps: int,
    peak: float,
    usual: list[float],
) -> list[Any]:
    """The cells from the start-up on; the first step belongs to it, as it compiles and chooses."""
    flops = count_flops(make_step(make_model(architecture, "ctc", machine), batch, machine))
    model = make_model(architecture, "ctc", machine).train()
    started = time.perf_counter()
    prepare(model, batch, machine)
    step = make_step(model, batch, machine)
    step()
    finish(machine)
    start = time.perf_counter() - started
    seconds = measure(step, steps, machine)
    usual.append(seconds)
    gain = usual[0] - seconds
    return [
        f"{start:.2f}",
        f"{1e3 * seconds:.3f}",
        f"{batch / seconds:.0f}",
        f"{flops / seconds / peak:.1%}",
        f"{start / gain:.0f} steps" if gain > 0 else "-",
    ]


def keep(model: Tagger, batch: int, machine: Machine) -> None:
    """Kernel by kernel, as training does."""


def record(model: Tagger, batch: int, machine: Machine) -> None:
    """Both passes of the backbone as CUDA graphs; head, loss and optimizer stay as they are.

    CTC is computed on the CPU, so no graph can hold the whole step.
    """
    card = model.card
    pixels = torch.rand(batch, card.channels, card.height, card.width, device=machine.device)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cuda", machine.precision, machine.precision != torch.float32, False):
        torch.cuda.make_graphed_callables(model.backbone, (pixels,))


def compile_backbone(model: Tagger, batch: int, machine: Machine) -> None:
    model.backbone.compile()


def list_pretraining(bench: Bench) -> Iterator[Case]:
    """Drawing alone, learning alone, and both as `backbone` does them."""
    batch, cores = bench.params.backbone.batch_size, count_cores()
    machine = resolve(bench, threads=cores)
    yield Case(
        [f"drawing, {cores} processes of the CPU", batch],
        partial(time_drawing, batch, bench.size.drawn, cores),
    )
    yield Case(
        ["learning, random images in colour", batch],
        partial(time_learning, batch, bench.size.steps, machine),
    )
    yield Case(
        ["pretraining, both in turn", batch],
        partial(time_pretraining, batch, bench.size.drawn, bench.params, machine),
    )


def time_drawing(batch: int, batches: int, processes: int) -> list[str]:
    """Images/s; the start of the processes, who import torch and open faces, is not counted."""
    draw = partial(draw_pixels, batch)
    with start_pool(processes) as pool:
        list(pool.map(draw, range(-processes, 0)))
        started = time.perf_counter()
        list(pool.map(draw, range(batches)))
        return [f"{batch * batches / (time.perf_counter() - started):.0f}"]


def draw_pixels(batch: int, step: int) -> int:
    torch.set_num_threads(1)
    return draw_batch(batch, abs(step), abs(step), matplotlib_faces()).pixels.nbytes


def time_learning(batch: int, steps: int, machine: Machine) -> list[str]:
    step = make_step(make_model("compact", "ctc", machine, channels=3), batch, machine)
    return [f"{batch / measure(step, steps, machine):.0f}"]


def time_pretraining(batch: int, batches: int, params: Params, machine: Machine) -> list[str]:
    """Images/s with everything, the start of the processes included."""
    chosen = params.backbone.model_copy(update={"images": batch * batches})
    recipe = replace(Recipe.of(chosen, matplotlib_faces()), reports=1)
    architecture = Architecture(name="compact", output_stride=8, dropped_stages=0)
    resume = ResumeFile("gpu-benchmark", "unused", every_seconds=float("inf"))
    resume.remove()
    started = time.perf_counter()
    with redirect_stdout(StringIO()):
        pretrain(architecture, recipe, machine, resume)
    finish(machine)
    seconds = time.perf_counter() - started
    resume.remove()
    return [f"{batch * batches / seconds:.0f}"]


if __name__ == "__main__":
    main()
