"""How well the default params do on folders of other looks, with few labels and with all.

    python benchmarks/looks.py FOLDER... [--labels 0,50,100,200,all] [--seeds 3] [--ocr] [--keras]

Each FOLDER holds labelled captchas of one look. A fifth is held out, by another split for each
seed, and --labels says how many of the others are trained on. The backbone is data/backbone
(`dvc repro backbone`), all else is as in params.yaml; -S changes a param. Shares are means over
seeds with a 95 % interval over images: an image that several splits hold out counts once, by its
mean. --ocr adds ddddocr on all images, its case folded where the folder's names have one; --keras
adds Keras's captcha_ocr (at most 100 epochs, each scored on the held-out images, and the best one
kept), trained on all but the same held-out images of the first seed. Finished trainings are kept
under .state/trials/ and .state/training-benchmark/.
"""

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from machine import describe_machine
from ocr import PACKAGE, read_texts
from tabulate import tabulate
from training import PEERS, Bench, ask
from trials import change, load_images, parse_changes, split, with_seed

from captcha_tagger.data.dataset import Dataset
from captcha_tagger.engine.compute import set_up
from captcha_tagger.evaluate.intervals import wilson
from captcha_tagger.params import Params, load_params
from captcha_tagger.review.trial import answer

KERAS = "keras-ctc"
COLUMNS = ["look", "labels", "trained on", "text %", "exact set %", "seconds"]


@dataclass
class Tally:
    """Of each image, whether it was right each time that it was held out."""

    texts: dict[int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    sets: dict[int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    seconds: list[float] = field(default_factory=list)
    trained: list[int] = field(default_factory=list)

    def add(self, row: int, read: str, truth: str, found: set[str]) -> None:
        self.texts[row].append(read == truth)
        self.sets[row].append(found == set(truth))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--labels", default="0,50,100,200,all", help="counts with commas, or all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ocr", action="store_true", help="ask ddddocr, too")
    parser.add_argument("--keras", action="store_true", help="train Keras's captcha_ocr, too")
    parser.add_argument("--backbone", type=Path, default=Path("data/backbone"))
    parser.add_argument("-S", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    params = change(load_params(), parse_changes(args.changes))
    how = set_up(params.compute).describe()
    print(f"{describe_machine()}; {how['threads']} threads, {how['precision']}\n", flush=True)
    table = []
    for folder in args.folders:
        data = load_images(folder, params)
        counts = [None if word == "all" else int(word) for word in args.labels.split(",")]
        for count in counts:
            tally = measure(data, params, args.backbone, count, args.seeds)
            table.append([folder.name, "all" if count is None else count, *describe(tally)])
            print(*table[-1], sep=" | ", flush=True)
        if args.ocr:
            table.append([folder.name, PACKAGE, *describe(ask_ocr(data, folder))])
            print(*table[-1], sep=" | ", flush=True)
        if args.keras:
            tally = ask_keras(Bench(folder, data, params, args.backbone, quick=False))
            table.append([folder.name, PEERS[KERAS].title, *describe(tally)])
            print(*table[-1], sep=" | ", flush=True)
    print(f"\n{tabulate(table, COLUMNS, 'github')}")


def measure(data: Dataset, params: Params, backbone: Path, count: int | None, seeds: int) -> Tally:
    """Train once per seed and ask about what its split holds out."""
    tally = Tally()
    machine = set_up(params.compute)
    for seed in range(seeds):
        trial = with_seed(params, seed, train_images=count)
        parted = split(data, trial)
        started = time.perf_counter()
        one = answer(parted, backbone, trial, machine)
        tally.seconds.append(time.perf_counter() - started)
        tally.trained.append(len(parted.train))
        labels = np.array(data.vocabulary)
        reads = one.read.tolist() or [""] * len(one.rows)
        for row, read, probs in zip(one.rows.tolist(), reads, one.probs, strict=True):
            tally.add(row, read, data.rows[row].text, set(labels[probs > one.threshold]))
    return tally


def ask_ocr(data: Dataset, folder: Path) -> Tally:
    tally = Tally()
    started = time.perf_counter()
    reads = read_texts([folder / row.file for row in data.rows])
    tally.seconds.append(time.perf_counter() - started)
    for number, (row, read) in enumerate(zip(data.rows, reads, strict=True)):
        folded = fold(read, data.vocabulary)
        tally.add(number, folded, row.text, set(folded))
    return tally


def ask_keras(bench: Bench) -> Tally:
    tally = Tally()
    parted = split(bench.data, with_seed(bench.params, 0))
    end = ask(bench, KERAS, parted, seed=0)[-1]
    tally.seconds.append(end["seconds"])
    tally.trained.append(len(parted.train))
    for row, read in zip(parted.validation.tolist(), end["read"], strict=True):
        tally.add(row, read, bench.data.rows[row].text, set(read))
    return tally


def fold(text: str, vocabulary: list[str]) -> str:
    """The text in the case of the names, where they have one."""
    letters = "".join(vocabulary)
    if letters == letters.lower():
        return text.lower()
    return text.upper() if letters == letters.upper() else text


def describe(tally: Tally) -> list[str]:
    trained = f"{np.mean(tally.trained):.0f}" if tally.trained else "none"
    shares = [say_share(flags) for flags in (tally.texts, tally.sets)]
    return [trained, *shares, f"{np.mean(tally.seconds):.1f}"]


def say_share(flags: dict[int, list[bool]]) -> str:
    """The share in per cent, and Wilson's 95 % interval over images."""
    right = np.array([np.mean(times) for times in flags.values()])
    low, high = wilson(right.sum(), len(right))
    return f"{100 * right.mean():.1f} ({100 * low:.1f} to {100 * high:.1f})"


if __name__ == "__main__":
    main()
