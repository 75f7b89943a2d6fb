"""How many images must a person type until 99 % of an unlabelled set are right?

    python benchmarks/labelling.py FOLDER [--images 300] [--round 50] [--seeds 1]

Plays `captcha-tagger label` with the true names as the person: a proposal that is right is
accepted, another one typed. After each round the default params train on the labels so far, and the
new model proposes. What is right are the labels and, of the other images, the proposals. Beside it
the same in random order.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from machine import describe_machine
from numpy.typing import NDArray
from tabulate import tabulate
from trials import change, load_images, parse_changes, split, train, with_seed

from captcha_tagger.backbone.shipped import FOLDER
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.data.labels import encode_texts, make_vocabulary
from captcha_tagger.data.pixels import Shape
from captcha_tagger.engine.compute import Machine, set_up
from captcha_tagger.label.order import order_images
from captcha_tagger.label.reader import Reader, Seen, read_by_backbone
from captcha_tagger.params import Params, load_params

COLUMNS = ["images", "order", "seed", "right at first %", "shown", "typed", "right %"]
BATCH = 64


@dataclass
class Sitting:
    """The texts of all images, which of them a person gave, and how many had to be typed."""

    texts: list[str]
    labelled: NDArray[np.bool_]
    typed: int = 0
    shares: list[float] = field(default_factory=list)  # right, before each round

    @property
    def known(self) -> list[str]:
        return [self.texts[row] for row in np.flatnonzero(self.labelled)]

    def answer(self, row: int, proposed: str) -> None:
        self.typed += proposed != self.texts[row]
        self.labelled[row] = True


Order = Callable[[Seen, NDArray[np.float64], NDArray[np.bool_]], list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--round", type=int, default=50)
    parser.add_argument("--until", type=float, default=0.99, help="the share that is to be right")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("-S", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    params = change(load_params(), parse_changes(args.changes))
    machine = set_up(params.compute)
    how = machine.describe()
    print(f"{describe_machine()}; {how['threads']} threads, {how['precision']}\n", flush=True)
    data = pick(load_images(args.folder, params), args.images)
    table = []
    for seed in range(args.seeds):
        for name, order in (("doubt", by_doubt), ("random", by_chance(seed))):
            trial = with_seed(params, seed)
            sitting = play(data, trial, machine, order, args.round, args.until)
            table.append([args.folder.name, name, seed, *describe(sitting)])
            print(*table[-1], [round(100 * share, 1) for share in sitting.shares], flush=True)
    print(f"\n{tabulate(table, COLUMNS, 'github', floatfmt='.1f')}")


def pick(data: Dataset, number: int) -> Dataset:
    """The same so many images each time, whatever the order of their names says."""
    rows = np.random.default_rng(0).permutation(len(data.rows))[:number]
    return select(data, np.sort(rows))


def select(data: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """Some images as a set of its own, with the labels that occur in it."""
    kept = [data.rows[row] for row in rows]
    texts = [row.text for row in kept]
    vocabulary = make_vocabulary(texts)
    return replace(
        data,
        pixels=data.pixels[rows],
        rows=kept,
        vocabulary=vocabulary,
        targets=encode_texts(texts, vocabulary),
        train=np.arange(len(rows)),
    )


def play(
    data: Dataset, params: Params, machine: Machine, order: Order, size: int, until: float
) -> Sitting:
    """Rounds of so many images, each after a training, until enough is right."""
    sitting = Sitting([row.text for row in data.rows], np.zeros(len(data.rows), bool))
    case = params.ingest.case
    reader = read_by_backbone(Shape(*data.pixels.shape[1:]), case)
    while True:
        seen = look(reader, data.pixels)
        readings = reader.read(seen.log_probs, sitting.known)
        right = [
            given or reading.text == text
            for given, reading, text in zip(sitting.labelled, readings, sitting.texts, strict=True)
        ]
        sitting.shares.append(float(np.mean(right)))
        if sitting.shares[-1] >= until:
            return sitting
        confidences = np.array([reading.confidence for reading in readings])
        for row in order(seen, confidences, sitting.labelled)[:size]:
            (reading,) = reader.read(seen.log_probs[row : row + 1], sitting.known)
            sitting.answer(row, reading.text)
        labelled = split(select(data, np.flatnonzero(sitting.labelled)), params)
        reader = Reader(train(labelled, FOLDER, params, machine)[0], case)
        print(f"  {sitting.labelled.sum()} labelled, {sitting.typed} typed", file=sys.stderr)


def look(reader: Reader, pixels: NDArray[np.uint8]) -> Seen:
    parts = list(look_by_batch(reader, pixels))
    return Seen(
        np.concatenate([part.log_probs for part in parts]),
        np.concatenate([part.features for part in parts]),
    )


def look_by_batch(reader: Reader, pixels: NDArray[np.uint8]) -> Iterator[Seen]:
    for start in range(0, len(pixels), BATCH):
        yield reader.look(pixels[start : start + BATCH])


def by_doubt(
    seen: Seen, confidences: NDArray[np.float64], labelled: NDArray[np.bool_]
) -> list[int]:
    return order_images(seen.features, seen.presence, confidences, labelled)


def by_chance(seed: int) -> Order:
    generator = np.random.default_rng(seed)

    def order(_: Seen, __: NDArray[np.float64], labelled: NDArray[np.bool_]) -> list[int]:
        rows: list[int] = generator.permutation(np.flatnonzero(~labelled)).tolist()
        return rows

    return order


def describe(sitting: Sitting) -> list[float]:
    shown = int(sitting.labelled.sum())
    return [100 * sitting.shares[0], shown, sitting.typed, 100 * sitting.shares[-1]]


if __name__ == "__main__":
    main()
