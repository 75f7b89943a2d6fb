"""How fast answers come: as predict gives them, from ONNX Runtime, and from fastai.

    python benchmarks/inference.py FOLDER [--model data/fine_tune/model] [--other MODEL] [--runs 5]

The three take turns on the png files of FOLDER: images a second from the files and from decoded
arrays, milliseconds from one image's bytes to its answer once the model is loaded, the largest
difference to evaluate's probs, and the seconds of the whole command. ONNX Runtime runs the same
model, fastai a resnet18 learner of the original recipe, untrained; both are installed into
environments of their own under .state/peers/. --other has another of our models, such as one with
another head, take turns with them.
"""

import argparse
import json
import os
import site
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from environments import make_environment, pin
from machine import describe_machine
from numpy.typing import NDArray

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.processes import count_cores
from captcha_tagger.source.decoding import Pixels, decode

SOURCE = Path(__file__).resolve().parents[1] / "src"
FASTAI = "fastai==2.8.12"
ONNX = ("onnx==1.23.2", "onnxruntime==1.32.0", "onnxscript==0.7.2")
SINGLES = 200
MAX_PIXELS = 20_000_000
BATCHES = ("files", "arrays")
HEADERS = [
    "route",
    "images/s from files",
    "images/s from arrays",
    "ms for one, median",
    "ms for one, 95 %",
    "difference",
]
BATCH = 16  # ONNX Runtime's, as predict's; 64 and 128 were slower

Probs = NDArray[np.float32]


class Route(Protocol):
    """One way from images to probs (images, labels)."""

    def answer_files(self) -> Probs: ...
    def answer_arrays(self) -> Probs: ...
    def answer_bytes(self, data: bytes) -> Probs: ...


class Predict:
    """`captcha-tagger predict`, and the server for arrays and single images."""

    def __init__(self, model: Path, files: list[Path]) -> None:
        from captcha_tagger.predict.predictor import Predictor

        self._files = files
        self._predictor = Predictor(model)
        self._pixels = self._decode(file.read_bytes() for file in files)

    def answer_files(self) -> Probs:
        from captcha_tagger.predict.files import predict_files

        batches = predict_files(self._predictor, self._files)
        found = (prediction for batch in batches for _, prediction in batch)
        return np.array([[*one.probs.values()] for one in found if not isinstance(one, str)])

    def answer_arrays(self) -> Probs:
        return self._answer(self._pixels)

    def answer_bytes(self, data: bytes) -> Probs:
        return self._answer(self._decode([data]))

    def _decode(self, images: Iterable[bytes]) -> list[Pixels]:
        pixels: list[Pixels] = []
        for one in self._predictor.decode(images):
            if isinstance(one, InputError):
                raise one
            pixels.append(one)
        return pixels

    def _answer(self, pixels: list[Pixels]) -> Probs:
        return np.array([[*found.probs.values()] for found in self._predictor.predict(pixels)])


class OnnxRuntime:
    """The exported model, its batches shared out as predict's are."""

    def __init__(self, model: Path, files: list[Path]) -> None:
        self._files = files
        self._decode = make_decoder(model)
        self._single_threaded, self._session = self._open(1), self._open(0)
        self._pixels = np.stack([self._decode(file.read_bytes()) for file in files])

    def _open(self, threads: int) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(Path(sys.prefix) / "model.onnx", options)

    def answer_files(self) -> Probs:
        files = self._files
        batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
        with ThreadPoolExecutor(count_cores()) as pool:
            return np.concatenate([*pool.map(self._answer_batch, batches)])

    def _answer_batch(self, files: list[Path]) -> Probs:
        pixels = np.stack([self._decode(file.read_bytes()) for file in files])
        return self._single_threaded.run(None, {"pixels": pixels})[0]

    def answer_arrays(self) -> Probs:
        parts = np.split(self._pixels, range(BATCH, len(self._pixels), BATCH))
        return np.concatenate([self._session.run(None, {"pixels": part})[0] for part in parts])

    def answer_bytes(self, data: bytes) -> Probs:
        return self._session.run(None, {"pixels": self._decode(data)[None]})[0]


class Fastai:
    """The original recipe's learner; its batch size and its worker processes are fastai's."""

    def __init__(self, model: Path, files: list[Path]) -> None:
        from fastai.vision import all as vision

        block = vision.DataBlock(
            (vision.ImageBlock, vision.MultiCategoryBlock),
            get_y=lambda file: list(file.stem),
            splitter=vision.RandomSplitter(0.2),
            batch_tfms=vision.aug_transforms(do_flip=False),
        )
        loaders = block.dataloaders(files)
        self._learner = vision.vision_learner(loaders, vision.resnet18, pretrained=False)
        self._learner.remove_cb(vision.ProgressCallback)
        self._files = files
        self._pixels = [np.asarray(vision.PILImage.create(file)) for file in files]

    def answer_files(self) -> Probs:
        return self._answer(self._files)

    def answer_arrays(self) -> Probs:
        return self._answer(self._pixels)

    def _answer(self, items: list[Any]) -> Probs:
        return self._learner.get_preds(dl=self._learner.dls.test_dl(items))[0].numpy()

    def answer_bytes(self, data: bytes) -> Probs:
        return self._learner.predict(data)[2].numpy()[None]


def make_decoder(model: Path) -> Callable[[bytes], Pixels]:
    card = json.loads((model / "model.json").read_text())
    shape = {name: card[name] for name in ("height", "width", "channels")}
    return partial(decode, **shape, max_pixels=MAX_PIXELS)


ROUTES: dict[str, Callable[[Path, list[Path]], Route]] = {
    "predict": Predict,
    "onnxruntime": OnnxRuntime,
    "fastai": Fastai,
}


def work(route: Route, files: list[Path]) -> None:
    """Do what stdin says, a task a line; write the seconds and the probs of each."""
    answers, sys.stdout = sys.stdout, sys.stderr
    singles = [file.read_bytes() for file in files[:SINGLES]]
    for line in sys.stdin:
        task = line.strip()
        calls: dict[str, list[Callable[[], Probs]]] = {
            "files": [route.answer_files],
            "arrays": [route.answer_arrays],
            "single": [partial(route.answer_bytes, data) for data in singles],
        }
        seconds, probs = [], []
        for call in calls[task]:
            start = time.perf_counter()
            probs += call().tolist()
            seconds.append(time.perf_counter() - start)
        print(json.dumps([seconds, probs]), file=answers, flush=True)


class Worker:
    """A route in a process of its own, idle until it is asked."""

    def __init__(
        self, name: str, python: Path, route: str, model: Path, args: argparse.Namespace
    ) -> None:
        self.name, self.model = name, model
        words = [__file__, args.folder, "--model", model, "--route", route]
        self._process = subprocess.Popen(
            [python, "-W", "ignore", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            text=True,
        )
        self.ask("files")

    def ask(self, task: str) -> tuple[list[float], Probs]:
        assert self._process.stdin
        assert self._process.stdout
        print(task, file=self._process.stdin, flush=True)
        seconds, probs = json.loads(self._process.stdout.readline())
        return seconds, np.array(probs)

    def stop(self) -> None:
        self._process.communicate()


def export(model: Path, environment: Path) -> None:
    """Write model.onnx: pixels in, probs out, normalisation inside."""
    import torch

    from captcha_tagger.network.model_folder import load_model

    site.addsitedir(str(next(environment.glob("lib/python*/site-packages"))))
    tagger = load_model(model)
    card = tagger.card
    torch.onnx.export(
        torch.nn.Sequential(tagger, torch.nn.Sigmoid()).eval(),
        (torch.zeros(2, card.channels, card.height, card.width, dtype=torch.uint8),),
        environment / "model.onnx",
        input_names=["pixels"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        verbose=False,
    )


def infer_in_batches(model: Path, files: list[Path]) -> Probs:
    import torch

    from captcha_tagger.data.images import LabelledImages
    from captcha_tagger.network.inference import infer
    from captcha_tagger.network.model_folder import load_model

    tagger, decoder = load_model(model), make_decoder(model)
    pixels = np.stack([decoder(file.read_bytes()) for file in files])
    targets = np.zeros((len(files), len(tagger.card.vocabulary)), np.float32)
    texts, rows = np.zeros((len(files), 1), int), np.arange(len(files))
    images = LabelledImages(pixels, targets, texts, rows, torch.device("cpu"))
    return infer(tagger, images).probs


def time_command(model: Path, path: Path) -> float:
    words: list[str | Path] = [sys.executable, "-m", "captcha_tagger.commands.cli", "predict"]
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    subprocess.run(
        [*words, path, "--model", model], env=environment, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - start


def measure(workers: list[Worker], args: argparse.Namespace, files: list[Path]) -> None:
    expected = {model: infer_in_batches(model, files) for model in {w.model for w in workers}}
    seconds: dict[tuple[str, str], list[list[float]]] = {}
    differences = {worker.name: 0.0 for worker in workers}
    commands: dict[Path, list[float]] = {args.folder: [], files[0]: []}
    for _ in range(args.runs):
        for task in ("files", "arrays", "single"):
            for worker in workers:
                taken, probs = worker.ask(task)
                seconds.setdefault((worker.name, task), []).append(taken)
                difference = float(np.abs(probs - expected[worker.model][: len(probs)]).max())
                differences[worker.name] = max(differences[worker.name], difference)
        for path, taken in commands.items():
            taken.append(time_command(args.model, path))
    print_table(seconds, differences, len(files))
    for path, taken in commands.items():
        print(f"captcha-tagger predict {path.name}: {spread(taken, 1)} s")


def print_table(
    seconds: dict[tuple[str, str], list[list[float]]], differences: dict[str, float], images: int
) -> None:
    from tabulate import tabulate

    rows = []
    for route in differences:
        batches = [[images / run[0] for run in seconds[route, task]] for task in BATCHES]
        singles = [[1000 * second for second in run] for run in seconds[route, "single"]]
        medians = [statistics.median(run) for run in singles]
        tails = [statistics.quantiles(run, n=20)[-1] for run in singles]
        difference = "untrained" if route == "fastai" else f"{differences[route]:.0e}"
        cells = [*(spread(rates, 0) for rates in batches), spread(medians, 1), spread(tails, 1)]
        rows.append([route, *cells, difference])
    print(tabulate(rows, HEADERS, "github"))


def spread(values: list[float], digits: int) -> str:
    """The median, and in brackets the least and the most."""
    figures = (statistics.median(values), min(values), max(values))
    median, least, most = (f"{figure:,.{digits}f}" for figure in figures)
    return f"{median} ({least} to {most})"


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, default=Path("data/fine_tune/model"))
    parser.add_argument("--other", type=Path, metavar="MODEL")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--route", choices=ROUTES, help=argparse.SUPPRESS)  # what a worker is
    args = parser.parse_args()
    files = sorted(args.folder.rglob("*.png"))
    if args.route:
        work(ROUTES[args.route](args.model, files), files)
        return
    print(describe_machine())
    print(
        f"{len(files)} images, {SINGLES} of them singly, {args.runs} runs: median (least to most)"
    )
    workers = start_workers(args)
    measure(workers, args, files)
    for worker in workers:
        worker.stop()


def start_workers(args: argparse.Namespace) -> list[Worker]:
    onnxruntime = make_environment("onnxruntime", [*ONNX, *pin("pillow")])
    export(args.model, onnxruntime.parents[1])
    fastai = make_environment("fastai-inference", [FASTAI, *pin("torch", "torchvision", "pillow")])
    python = Path(sys.executable)
    others = [Worker("predict --other", python, "predict", args.other, args)] if args.other else []
    return [
        Worker("predict", python, "predict", args.model, args),
        *others,
        Worker("onnxruntime", onnxruntime, "onnxruntime", args.model, args),
        Worker("fastai", fastai, "fastai", args.model, args),
    ]


if __name__ == "__main__":
    main()
