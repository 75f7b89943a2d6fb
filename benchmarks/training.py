"""Training time to quality, beside other people's: the same images, the same splits, one table.

    python benchmarks/training.py FOLDER [--runs 5] [--only ours,keras-ctc] [--quick]

FOLDER holds labelled captchas. Each run scores another fifth of them, so that five runs score every
image once: of 180 images a single one is 0.6 points. Some names are wrong; a part with two such
images never reaches 99 %, so seconds to it tell of the part, too. The peers take turns, each run in
a fresh process and, where it is not ours, in an environment of its own that is made under
.state/peers/. Seconds count from the start of the process; training is what comes after imports and
loading the images. Scoring every epoch is part of both, and so is saving the model and its answers
on the scored images, which only ours does. The backbone is data/backbone (`dvc repro backbone`),
and its pretraining is not counted. Peak memory is the main process's. Finished runs are kept under
.state/training-benchmark/, so that an interrupted table goes on where it was. --quick takes some 60
images and an epoch or two: does everything work?
"""

import argparse
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from environments import make_environment, pin
from machine import describe_machine
from numpy.typing import NDArray
from tabulate import tabulate
from trials import FOLDS, ORIGINAL, change, load_images, parse_names, split

from captcha_tagger.base.files import atomic_file, write_json
from captcha_tagger.base.places import source_folder, state_folder
from captcha_tagger.base.work.processes import count_cores
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.engine.compute import set_up
from captcha_tagger.evaluate.intervals import wilson
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.params import Params, load_params
from captcha_tagger.training.start import start_tagger

WORKERS = Path(__file__).resolve().parent / "peers"
KEPT = Path("training-benchmark")
QUICK_IMAGES = 60
LABEL_ACCURACY, EXACT_SET = 0.98, 0.99  # reached after how many seconds?
BASE = "fastai-original"  # whose seconds are compared with ours

OF_OURS = ("torch", "torchvision", "safetensors", "pydantic")
FASTAI = ("fastai==2.8.12", *pin(*OF_OURS))
KERAS = ("keras==3.15.1", "tensorflow-cpu==2.21.0")
QUICK_OURS = {"train_head.epochs": 1, "fine_tune.epochs": 1}
RANDOM_BACKBONE = {
    "backbone.source": "random",
    "backbone.output_stride": 4,
    "train_head.epochs": 1,
    "train_head.learning_rate": 0.0005,
    "fine_tune.epochs": 19,
    "fine_tune.batch_size": 16,
    "fine_tune.learning_rates": [0.01, 0.001],
    "fine_tune.ema_decay": 0.0,
}

Lines = list[dict[str, Any]]  # what one run said: its epochs and its end
Results = dict[str, list[Lines]]  # the runs of each peer


@dataclass(frozen=True)
class Peer:
    """A worker and its settings (for ours: changes of params.yaml); `quick` ones go over them."""

    title: str
    worker: str
    settings: dict[str, Any]
    quick: dict[str, Any]
    environment: str | None = None  # None: the project's own
    packages: tuple[str, ...] = ()
    imports_ours: bool = False

    @property
    def is_ours(self) -> bool:
        return self.environment is None


def ours(title: str, changes: dict[str, Any]) -> Peer:
    return Peer(title, "ours.py", changes, QUICK_OURS, imports_ours=True)


def fastai(title: str, *, threshold: float, on_ours: bool) -> Peer:
    settings = {"on_ours": on_ours, "threshold": threshold, "epochs": [5, 15]}
    quick = {"epochs": [1, 1]}
    return Peer(title, "fastai_loop.py", settings, quick, "fastai", FASTAI, imports_ours=on_ours)


def keras(title: str) -> Peer:
    return Peer(title, "keras_ctc.py", {"epochs": 100}, {"epochs": 2}, "keras", KERAS)


PEERS = {
    "ours": ours("ours", {}),
    "ours-noisy-or": ours("ours, noisy-or", {"train_head.head": "noisy_or"}),
    "ours-random": ours("ours, random backbone", RANDOM_BACKBONE),
    "ours-original": ours("ours, original recipe", ORIGINAL),
    "fastai-original": fastai("fastai, original recipe", threshold=0.2, on_ours=False),
    "fastai-backbone": fastai("fastai, our backbone", threshold=0.5, on_ours=True),
    "keras-ctc": keras("Keras captcha_ocr"),
}


@dataclass(frozen=True)
class Bench:
    """What all runs share."""

    folder: Path
    data: Dataset
    params: Params
    backbone: Path
    quick: bool


def run_all(bench: Bench, names: list[str], num_runs: int) -> Results:
    """The peers in turn, then all of them again."""
    results: Results = {name: [] for name in names}
    for number in range(num_runs):
        for name in names:
            results[name].append(run(bench, name, number))
            last, end = results[name][-1][-2:]
            print(
                f"{name} {number}: {end['seconds']:.1f} s, exact set {last['exact_set']:.4f}",
                file=sys.stderr,
            )
    return results


def run(bench: Bench, name: str, number: int) -> Lines:
    """What the peer said in the run that scores another fifth of the images."""
    folds = {"split.folds": FOLDS, "split.fold": number % FOLDS}
    return ask(bench, name, split(bench.data, change(bench.params, folds)), seed=number)


def ask(bench: Bench, name: str, data: Dataset, seed: int) -> Lines:
    """What the peer says of these parts of the data, or said in an earlier call of the same job."""
    peer = PEERS[name]
    job = write_job(bench, peer, data, seed)
    path = state_folder() / KEPT / f"{name}-{seed}-{hash_job(bench, peer, job)}.jsonl"
    if not path.exists():
        own = peer.environment
        python = make_environment(own, peer.packages) if own else Path(sys.executable)
        said = run_worker(
            python, peer, job | find_places(bench, peer, data), path.with_suffix(".log")
        )
        with atomic_file(path) as beside:
            beside.write_text(said)
    *epochs, end = [json.loads(line) for line in path.read_text().splitlines()]
    return [*epochs, end | {"scored": len(job["validation"])}]


def write_job(bench: Bench, peer: Peer, data: Dataset, seed: int) -> dict[str, Any]:
    def name_images(rows: NDArray[Any]) -> list[tuple[str, str]]:
        return [(data.rows[row].file, data.rows[row].text) for row in rows]

    settings = {**peer.settings, **(peer.quick if bench.quick else {})}
    if peer.is_ours:
        seeds = {f"{section}.seed": seed for section in ("backbone", "train_head", "fine_tune")}
        settings = change(bench.params, settings | seeds).model_dump()
    return {
        "settings": settings,
        "seed": seed,
        "vocabulary": data.vocabulary,
        "train": name_images(data.train),
        "validation": name_images(data.validation),
    }


def find_places(bench: Bench, peer: Peer, data: Dataset) -> dict[str, str]:
    """Where this machine has what the job is about: the same job may find it elsewhere."""
    places = {"folder": bench.folder, "backbone": bench.backbone}
    if peer.imports_ours and not peer.is_ours:
        places["model"] = state_folder() / KEPT / "start"
        model = start_tagger(bench.backbone, data, bench.params.train_head)
        save_model(model, places["model"])
    return {name: str(path.resolve()) for name, path in places.items()}


def hash_job(bench: Bench, peer: Peer, job: dict[str, Any]) -> str:
    """A hex digest of the job, the images, and the cores, code and weights that it stands on."""
    rows = [row._asdict() for row in bench.data.rows]
    facts = [job, rows, peer.packages, count_cores(), version("torch")]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    files = [WORKERS / peer.worker, WORKERS / "progress.py"]
    if peer.imports_ours:
        files += sorted((source_folder() / "captcha_tagger").rglob("*.py"))
        files.append(bench.backbone / "weights.safetensors")
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def run_worker(python: Path, peer: Peer, job: dict[str, Any], log: Path) -> str:
    """The JSON lines of a fresh process; what else it says goes to the log."""
    hidden = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")  # the latter would compile at every start
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    if peer.imports_ours:
        environment["PYTHONPATH"] = str(source_folder())
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors:
        run = subprocess.run(
            [python, WORKERS / peer.worker],
            input=json.dumps({**job, "started": time.time()}),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
    if run.returncode:
        raise SystemExit(f"{peer.title}: exit code {run.returncode}, see {log}")
    return "".join(line + "\n" for line in run.stdout.splitlines() if line.startswith("{"))


def measure(lines: Lines) -> dict[str, float]:
    """The table's figures of one run."""
    *epochs, end = lines
    training = end["seconds"] - end["parts"]["start-up"] - end["parts"]["load"]
    return {
        "s to 98 % label accuracy": reach(epochs, "label_accuracy", LABEL_ACCURACY),
        "s to 99 % exact set": reach(epochs, "exact_set", EXACT_SET),
        "s in all": end["seconds"],
        "s of training": training,
        "CPU s": end["cpu_seconds"],
        "label accuracy %": 100 * epochs[-1]["label_accuracy"],
        "exact set %": 100 * epochs[-1]["exact_set"],
        "peak MB": end["peak_mb"],
        "images/s": end["images"] / training,
    }


def reach(epochs: Lines, score: str, level: float) -> float:
    """The seconds after which a score first stands at a level; infinite where it never does."""
    return next((epoch["seconds"] for epoch in epochs if epoch[score] >= level), math.inf)


def tabulate_figures(results: Results) -> str:
    """A row a peer: the median of its runs, the extremes in brackets, and all runs' exact sets."""
    rows, columns = [], list(measure(next(iter(results.values()))[0]))
    for name, runs in results.items():
        figures = [measure(lines) for lines in runs]
        cells = [summarize([one[column] for one in figures]) for column in columns]
        rows.append([PEERS[name].title, *cells, count_exact(runs), runs[0][-1]["versions"]])
    headers = ["what", *columns, "exact sets of all runs", "versions"]
    return tabulate(rows, headers, "github", disable_numparse=True)


def count_exact(runs: list[Lines]) -> str:
    """How many label sets were right in the end, of how many, with the 95 % interval."""
    right = sum(round(lines[-2]["exact_set"] * lines[-1]["scored"]) for lines in runs)
    scored = sum(lines[-1]["scored"] for lines in runs)
    low, high = wilson(right, scored)
    return f"{right} of {scored}: {right / scored:.2%} ({low:.2%} to {high:.2%})"


def tabulate_ratios(results: Results) -> str:
    """How many times as long the base takes in all as each of ours, by their medians."""

    def take(name: str) -> float:
        return statistics.median(lines[-1]["seconds"] for lines in results[name])

    rows = [[PEERS[name].title, f"{take(BASE) / take(name):.2f}"] for name in pick_ours(results)]
    return tabulate(rows, ["what", f"{PEERS[BASE].title}: times as long"], "github")


def tabulate_parts(results: Results) -> str:
    """A row a part: where the seconds of ours go."""

    def take(name: str, part: str) -> str:
        return summarize([lines[-1]["parts"].get(part, 0.0) for lines in results[name]])

    names = pick_ours(results)
    parts = list(results[names[0]][0][-1]["parts"])
    rows = [[part, *(take(name, part) for name in names)] for part in parts]
    headers = ["seconds of", *(PEERS[name].title for name in names)]
    return tabulate(rows, headers, "github", disable_numparse=True)


def pick_ours(results: Results) -> list[str]:
    return [name for name in results if PEERS[name].is_ours]


def summarize(values: list[float]) -> str:
    low, middle, high = map(show, (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def show(value: float) -> str:
    if math.isinf(value):
        return "never"
    return f"{value:.0f}" if value > 100 else f"{value:.2f}"


def write_figures(path: Path, machine: str, results: Results) -> None:
    """Every run's figures; what it never reached is null."""
    figures = {
        name: [
            {column: None if math.isinf(value) else value for column, value in one.items()}
            for one in (measure(lines) | {"images scored": lines[-1]["scored"]} for lines in runs)
        ]
        for name, runs in results.items()
    }
    write_json(path, {"machine": machine, "runs": figures})


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=FOLDS)
    parser.add_argument(
        "--only", type=partial(parse_names, known=PEERS), default=list(PEERS), help="with commas"
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--backbone", type=Path, default=Path("data/backbone"))
    parser.add_argument("--out", type=Path, help="write every run's figures as JSON, too")
    args = parser.parse_args()
    params = load_params()
    how = set_up(params.compute).describe()
    machine = f"{describe_machine()}, ours in {how['precision']} on {how['device']}"
    print(machine, flush=True)
    data = load_images(args.folder, params)
    if args.quick:
        data = replace(data, train=data.train[:: max(1, len(data.train) // QUICK_IMAGES)])
    bench = Bench(args.folder, data, params, args.backbone, args.quick)
    results = run_all(bench, args.only, args.runs)
    print(f"\n{tabulate_figures(results)}")
    if pick_ours(results):
        if BASE in results:
            print(f"\n{tabulate_ratios(results)}")
        print(f"\n{tabulate_parts(results)}")
    if args.out:
        write_figures(args.out, machine, results)


if __name__ == "__main__":
    main()
