"""How good the default recipe is, and what the pretraining is worth.

    python benchmarks/quality.py crossval FOLDER [--seeds 3]  5 folds x seeds, every wrong image
    python benchmarks/quality.py few-labels FOLDER            0 to all training images, 3 draws each
    python benchmarks/quality.py label-errors FOLDER          10 planted wrong names, by their loss
    python benchmarks/quality.py held-out FOLDER              the images set aside, looked at once

FOLDER holds labelled captchas. The 100 files whose names have the smallest SHA-256 are set aside:
every command but held-out leaves them out, --all takes them in. The backbone is data/backbone
(`dvc repro backbone`). Finished trainings are kept under .state/quality/, so that an interrupted
table goes on where it was.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from tabulate import tabulate
from trials import Answers, answer, load_images, set_aside, split, with_seed

from captcha_tagger.compute import Machine, set_up
from captcha_tagger.dataset import Dataset
from captcha_tagger.metrics import HEADLINES, binary_cross_entropy, wilson
from captcha_tagger.params import Params, load_params

FOLDS = 5
FEW = (0, 50, 100, 200, 400, None)
DRAWS = 3
PLANTED = 10
PUBLISHED = [  # what it is, figure, images behind it
    ("label accuracy at 0.2, fastai resnet18 (the original post)", "> 98 %", "214"),
    ("text right, same author's later notebook", "96 %", "214"),
    ("text right, fastai xresnet34", "97.1 %", "-"),
    ("text right, CRNN", "98.1 %", "107"),
]


def crossval(data: Dataset, params: Params, machine: Machine, args: argparse.Namespace) -> None:
    """Every image is scored once per seed by a model that has not seen it."""
    rows, wrong, answers = [], {}, []
    for seed in range(args.seeds):
        for fold in range(FOLDS):
            trial = with_seed(params, seed, folds=FOLDS, fold=fold)
            one = answer(split(data, trial), args.backbone, trial, machine)
            answers.append(one)
            rows.append([seed, fold, len(one.rows), *score(one)])
            print(f"seed {seed} fold {fold}: exact set {score(one)[1]:.4f}", flush=True)
            for row, truth, found in mistakes(one, data):
                wrong.setdefault(data.rows[row].file, []).append(f"{truth} as {found}")
    print(tabulate(rows, ["seed", "fold", "images", *HEADLINES], "github", floatfmt=".4f"))
    print_pooled(answers)
    print("\nWrong at least once (of", args.seeds, "seeds):")
    for file, cases in sorted(wrong.items(), key=lambda item: -len(item[1])):
        print(f"  {file}: {len(cases)} times: {', '.join(cases)}")
    print("\nPublished on this set:")
    print(tabulate(PUBLISHED, ["what", "figure", "images"], "github"))


def few_labels(data: Dataset, params: Params, machine: Machine, args: argparse.Namespace) -> None:
    """The same recipe on fewer training images; always a fifth of all is scored."""
    rows = []
    for count in FEW:
        scores = []
        for draw in range(DRAWS):
            trial = with_seed(params, draw, train_images=count)
            scores.append(score(answer(split(data, trial), args.backbone, trial, machine)))
        mean, spread = np.mean(scores, 0), np.std(scores, 0, ddof=1)
        cells = [f"{m:.4f} ± {s:.4f}" for m, s in zip(mean, spread, strict=True)]
        rows.append(["all" if count is None else count, *cells])
        print(rows[-1], flush=True)
    print(tabulate(rows, ["training images", *HEADLINES], "github"))


def label_errors(data: Dataset, params: Params, machine: Machine, args: argparse.Namespace) -> None:
    """Replace one label in 10 names, rank all images by out-of-fold loss, count those on top."""
    for seed in range(args.seeds):
        generator = np.random.default_rng(seed)
        planted = generator.choice(data.train, PLANTED, replace=False)
        targets = data.targets.copy()
        for row in planted:
            gone = generator.choice(np.flatnonzero(targets[row] > 0))
            new = generator.choice(np.flatnonzero(targets[row] == 0))
            targets[row, gone], targets[row, new] = 0, 1
        losses = np.zeros(len(data.rows))
        for fold in range(FOLDS):
            trial = with_seed(params, seed, folds=FOLDS, fold=fold)
            one = answer(
                split(replace(data, targets=targets), trial), args.backbone, trial, machine
            )
            losses[one.rows] = binary_cross_entropy(one.logits, one.targets).mean(1)
        first = np.argsort(-losses)[:20]
        print(f"seed {seed}: {len(set(first) & set(planted))} of {PLANTED} in the first 20")


def held_out(data: Dataset, params: Params, machine: Machine, args: argparse.Namespace) -> None:
    """Train on all but the images set aside, and score those."""
    final = replace(data, validation=args.aside)
    answers = []
    for seed in range(args.seeds):
        answers.append(answer(final, args.backbone, with_seed(params, seed), machine))
        print(f"seed {seed}:", *(f"{s:.4f}" for s in score(answers[-1])))
        for row, truth, found in mistakes(answers[-1], data):
            print(f"  {data.rows[row].file}: {truth} as {found}")
    print_pooled(answers)


def score(one: Answers) -> list[float]:
    predicted, actual = one.probs > one.threshold, one.targets > 0.5
    return [metric(predicted, actual) for metric in HEADLINES.values()]


def mistakes(one: Answers, data: Dataset) -> list[tuple[int, str, str]]:
    """Row, true and predicted labels of every image whose set is wrong."""
    predicted, actual = one.probs > one.threshold, one.targets > 0.5
    vocabulary = np.array(data.vocabulary)
    return [
        (int(one.rows[i]), "".join(vocabulary[actual[i]]), "".join(vocabulary[predicted[i]]))
        for i in np.flatnonzero((predicted != actual).any(1))
    ]


def print_pooled(answers: list[Answers]) -> None:
    predicted = np.concatenate([one.probs > one.threshold for one in answers])
    actual = np.concatenate([one.targets > 0.5 for one in answers])
    right = int((predicted == actual).all(1).sum())
    low, high = wilson(right, len(actual))
    print(f"\nPooled: {right} of {len(actual)} exact sets, 95 % interval {low:.4f} to {high:.4f}")
    for name, metric in HEADLINES.items():
        print(f"  {name} {metric(predicted, actual):.5f}")


COMMANDS: dict[str, Callable[[Dataset, Params, Machine, argparse.Namespace], None]] = {
    "crossval": crossval,
    "few-labels": few_labels,
    "label-errors": label_errors,
    "held-out": held_out,
}


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="set nothing aside")
    parser.add_argument("--backbone", type=Path, default=Path("data/backbone"))
    args = parser.parse_args()
    params = load_params()
    machine = set_up(params.compute)
    data = load_images(args.folder, params)
    if not args.all:
        data, args.aside = set_aside(data)
    COMMANDS[args.command](data, params, machine, args)


if __name__ == "__main__":
    main()
