"""How good the default recipe is, and what the pretraining is worth.

    python benchmarks/quality.py crossval FOLDER [--seeds 3]  5 folds x seeds, every wrong image
    python benchmarks/quality.py few-labels FOLDER            0 to all training images, 3 draws each
    python benchmarks/quality.py phases FOLDER                the head alone, and the unfreezing
    python benchmarks/quality.py held-out FOLDER              the images set aside, looked at once

FOLDER holds labelled captchas. The 100 files whose names have the smallest SHA-256 are set aside:
every command but held-out leaves them out, --all takes them in. The recipe in params.yaml was
chosen by crossval on the others: only held-out's figures owe nothing to that choice. Intervals are
over images, however many seeds answer about each; the seeds stand beside them. The backbone is
data/backbone (`dvc repro backbone`). -S changes a param, as for `dvc exp run`. Finished trainings
are kept under .state/trials/, so that an interrupted table goes on where it was, and MLflow's
experiment captcha-tagger-quality has a run for each table.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from quality_log import log_table
from reliability import find_left, tabulate_coverage, tabulate_reliability
from tabulate import tabulate
from trials import (
    FOLDS,
    ORIGINAL_HEAD,
    change,
    load_images,
    parse_changes,
    set_aside,
    split,
    train,
    with_seed,
)

from captcha_tagger.data.dataset import Dataset
from captcha_tagger.engine.compute import Machine, set_up
from captcha_tagger.engine.resume import fingerprint
from captcha_tagger.evaluate.intervals import resample_images, resample_texts
from captcha_tagger.metrics.sets import (
    HEADLINES,
    Bools,
    count,
    count_constant,
    exact_set,
    label_accuracy,
)
from captcha_tagger.metrics.texts import count_characters, count_edits, error_rate
from captcha_tagger.network.backbone_folder import load_backbone
from captcha_tagger.params import Params, load_params
from captcha_tagger.review.trial import TrialAnswers, answer

FEW = (0, 50, 100, 200, 400, None)
DRAWS = 3
RESAMPLES = 2000
SURE = 0.95  # share of the images of which the wrong answers are named
PUBLISHED = [  # what it is, figure, images behind it
    ("label accuracy at 0.2, fastai resnet18 (the original post)", "> 98 %", "214"),
    ("text right, same author's later notebook", "96 %", "214"),
    ("text right, fastai xresnet34", "97.1 %", "-"),
    ("text right, CRNN", "98.1 %", "107"),
]
HEADS: dict[str, dict[str, object]] = {  # what `phases` changes
    "as in params.yaml": {},
    "the original's, and its epochs and rates": ORIGINAL_HEAD,
}


@dataclass
class Bench:
    """What a command works on, and what it has found so far."""

    data: Dataset
    params: Params
    machine: Machine
    args: argparse.Namespace
    scores: list[dict[str, float]] = field(default_factory=list)  # of each trained model
    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        print(text, flush=True)
        self.lines.append(text)

    def say_table(self, rows: list[list[Any]], columns: list[str]) -> None:
        self.say(tabulate(rows, columns, "github", floatfmt=".4f"))

    def answer(self, data: Dataset, params: Params) -> tuple[TrialAnswers, dict[str, float]]:
        """Train, or remember, one model and score it."""
        one = answer(data, self.args.backbone, params, self.machine)
        self.scores.append(score(one))
        return one, self.scores[-1]


def crossval(bench: Bench) -> None:
    """Every image is scored once per seed by a model that has not seen it."""
    data, rows, answers = bench.data, [], []
    wrong: dict[str, list[str]] = {}
    for seed in range(bench.args.seeds):
        for fold in range(FOLDS):
            trial = with_seed(bench.params, seed, folds=FOLDS, fold=fold)
            one, scores = bench.answer(split(data, trial), trial)
            answers.append(one)
            rows.append([seed, fold, len(one.rows), *scores.values()])
            print(f"seed {seed} fold {fold}: exact set {scores['exact_set']:.4f}", flush=True)
            for row, truth, found in mistakes(one, data):
                wrong.setdefault(data.rows[row].file, []).append(f"{truth} as {found}")
    bench.say_table(rows, ["seed", "fold", "images", *HEADLINES])
    say_pooled(bench, answers)
    say_texts(bench, answers)
    say_confidences(bench, answers)
    bench.say(f"\nWrong at least once (of {bench.args.seeds} seeds):")
    for file, cases in sorted(wrong.items(), key=lambda item: -len(item[1])):
        bench.say(f"  {file}: {len(cases)} times: {', '.join(cases)}")
    print("\nPublished on this set:")
    print(tabulate(PUBLISHED, ["what", "figure", "images"], "github"))


def few_labels(bench: Bench) -> None:
    """The same recipe on fewer training images; always a fifth of all is scored.

    A backbone that knows no label cannot do without any.
    """
    rows = []
    knows_labels = load_backbone(bench.args.backbone)[0].alphabet
    for few in FEW if knows_labels else FEW[1:]:
        scores = []
        for draw in range(DRAWS):
            trial = with_seed(bench.params, draw, train_images=few)
            _, found = bench.answer(split(bench.data, trial), trial)
            scores.append([*found.values()])
        mean, spread = np.mean(scores, 0), np.std(scores, 0, ddof=1)
        cells = [f"{m:.4f} ± {s:.4f}" for m, s in zip(mean, spread, strict=True)]
        rows.append(["all" if few is None else few, *cells])
        print(rows[-1], flush=True)
    bench.say_table(rows, ["training images", *HEADLINES])


def phases(bench: Bench) -> None:
    """Scores of guessing, of the head alone and of everything; the loss about the unfreezing."""
    rows = []
    for name, changes in HEADS.items():
        trial = with_seed(change(bench.params, changes), 0)
        data = split(bench.data, trial)
        targets = data.targets[data.validation] > 0.5
        none = count_constant(False, targets)
        _, epochs = train(data, bench.args.backbone, trial, bench.machine)
        frozen = [row for row in epochs if row["phase"] == "train_head"][-1]
        tuned = epochs[epochs.index(frozen) + 1 :]
        bench.scores.append(
            {metric: tuned[-1][metric] for metric in ("label_accuracy", "exact_set")}
        )
        rows.append(
            [
                name,
                f"{label_accuracy(none):.4f} / {exact_set(none):.4f}",
                *(f"{row['label_accuracy']:.4f} / {row['exact_set']:.4f}" for row in
                  (frozen, tuned[-1])),
                *(f"{row['validation_loss']:.4f}" for row in (frozen, tuned[0], tuned[-1])),
            ]
        )  # fmt: skip
    columns = ["head", "all-negative", "head alone", "fine-tuned"]
    columns += ["loss: last epoch of the head", "first unfrozen", "last"]
    bench.say("Label accuracy / exact set and loss on the validation images:\n")
    bench.say_table(rows, columns)


def held_out(bench: Bench) -> None:
    """Train on all but the images set aside, and score those."""
    final = replace(bench.data, validation=bench.args.aside)
    answers = []
    for seed in range(bench.args.seeds):
        one, scores = bench.answer(final, with_seed(bench.params, seed))
        answers.append(one)
        bench.say(" ".join([f"seed {seed}:", *(f"{value:.4f}" for value in scores.values())]))
        for row, truth, found in mistakes(one, bench.data):
            bench.say(f"  {bench.data.rows[row].file}: {truth} as {found}")
    say_pooled(bench, answers)


def score(one: TrialAnswers) -> dict[str, float]:
    predicted, actual = one.probs > one.threshold, one.targets > 0.5
    counts = count(predicted, actual)
    return {name: metric(counts) for name, metric in HEADLINES.items()}


def mistakes(one: TrialAnswers, data: Dataset) -> list[tuple[int, str, str]]:
    """Row, true and predicted labels of every image whose set is wrong."""
    predicted, actual = one.probs > one.threshold, one.targets > 0.5
    vocabulary = np.array(data.vocabulary)
    return [
        (int(one.rows[i]), "".join(vocabulary[actual[i]]), "".join(vocabulary[predicted[i]]))
        for i in np.flatnonzero((predicted != actual).any(1))
    ]


def say_pooled(bench: Bench, answers: list[TrialAnswers]) -> None:
    """Each metric over all seeds with its interval over images, and each seed's alone."""
    predicted, actual = stack_seeds(answers, bench.args.seeds)
    alone = [count(one, actual) for one in predicted]
    pooled = reduce(add, alone)
    bounds = resample_images(predicted, actual, resamples=RESAMPLES, seed=0)
    answered = f"{pooled.exact} exact sets of {pooled.images} answers"
    bench.say(f"\n{answered} about {len(actual)} images:\n")
    rows = [
        [name, metric(pooled), bounds[name]["low"], bounds[name]["high"],
         *(metric(one) for one in alone)]
        for name, metric in HEADLINES.items()
    ]  # fmt: skip
    seeds = [f"seed {seed}" for seed in range(len(predicted))]
    bench.say_table(rows, ["metric", "all seeds", "95 % from", "to", *seeds])


def stack_seeds(answers: list[TrialAnswers], seeds: int) -> tuple[Bools, Bools]:
    """What each seed predicted (seeds, images, labels), and the truth (images, labels).

    The answers come seed by seed, each about the same images in its own order.
    """
    predicted = np.concatenate([one.probs > one.threshold for one in answers])
    actual = np.concatenate([one.targets > 0.5 for one in answers])
    images = np.concatenate([one.rows for one in answers]).reshape(seeds, -1)
    order = images.argsort(1) + np.arange(seeds)[:, None] * images.shape[1]
    return predicted[order], actual[order[0]]


def say_texts(bench: Bench, answers: list[TrialAnswers]) -> None:
    """The scores of texts over all seeds, and each that was misread, where the head reads."""
    read = [str(text) for one in answers for text in one.read]
    if not read:
        return
    images = np.concatenate([one.rows for one in answers])
    actual = [bench.data.rows[row].text for row in images]
    order = np.argsort(images, kind="stable")  # each image's repeats together
    edits = count_edits(read, actual)[order].reshape(-1, bench.args.seeds).T
    characters = count_characters(actual)[order][:: bench.args.seeds]
    bounds = resample_texts(edits, characters, resamples=RESAMPLES, seed=0)
    scores = {
        "text_accuracy": float((edits == 0).mean()),
        "character_error_rate": error_rate(edits, characters),
    }
    rows = [[name, value, *bounds[name].values()] for name, value in scores.items()]
    bench.say_table(rows, ["metric", "all seeds", "95 % from", "to"])
    wrong = sorted({(one, other) for one, other in zip(actual, read, strict=True) if one != other})
    bench.say(f"misread: {', '.join(f'{one} as {other}' for one, other in wrong)}")


def say_confidences(bench: Bench, answers: list[TrialAnswers]) -> None:
    """How far a text's confidence can be trusted, and which mistakes the surest answers keep."""
    if not answers[0].read.size:
        return
    seeds = bench.args.seeds
    rows = np.concatenate([one.rows for one in answers])
    order = np.argsort(rows, kind="stable")  # each image's repeats together

    def stack(values: list[Any]) -> Any:
        return np.concatenate(values)[order].reshape(-1, seeds).T

    images = [bench.data.rows[row] for row in rows[order][::seeds]]
    confidences = stack([one.confidences for one in answers])
    right = stack([one.read for one in answers]) == np.array([image.text for image in images])
    bench.say("\nTexts by confidence, an image counting once in a row:\n")
    bench.say_table(*tabulate_reliability(confidences, right))
    bench.say("")
    bench.say_table(*tabulate_coverage(confidences, right))
    left = np.flatnonzero(find_left(confidences, right, SURE).any(0))
    bench.say(f"wrong among the surest {SURE:.0%}: {', '.join(images[n].file for n in left)}")


COMMANDS: dict[str, Callable[[Bench], None]] = {
    "crossval": crossval,
    "few-labels": few_labels,
    "phases": phases,
    "held-out": held_out,
}


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="set nothing aside")
    parser.add_argument("--backbone", type=Path, default=Path("data/backbone"))
    parser.add_argument("-S", dest="changes", action="append", default=[], metavar="PARAM=VALUE")
    args = parser.parse_args()
    params = change(load_params(), parse_changes(args.changes))
    machine = set_up(params.compute)
    data = load_images(args.folder, params)
    if not args.all:
        data, args.aside = set_aside(data)
    bench = Bench(data, params, machine, args)
    COMMANDS[args.command](bench)
    settings = [args.command, params.model_dump(), args.seeds, args.all, bench.lines]
    key = fingerprint("fine_tune", settings, [args.backbone / "weights.safetensors"])
    log_table(args.command, key, params.model_dump(), bench.scores, "\n".join(bench.lines))


if __name__ == "__main__":
    main()
