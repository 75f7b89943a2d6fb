"""How many wrong names among the training images does `captcha-tagger doubtful` find, and where?

    python benchmarks/doubtful_names.py FOLDER [--wrong 10] [--trials 3] [-S fine_tune.epochs=8 ...]

In each trial some names in the training part get another text, one character replaced by one that
the text does not have, and five models judge the images that they have not seen, as the command
has them do. The backbone is data/backbone (`dvc repro backbone`). What comes up besides may be
right names or wrong ones that were there before: those are listed, to be looked at. Finished
trainings are kept under .state/trials/.
"""

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from tabulate import tabulate
from trials import FOLDS, change, load_images, parse_changes, split, with_seed

from captcha_tagger.data.dataset import Dataset
from captcha_tagger.data.labels import encode_texts
from captcha_tagger.engine.compute import set_up
from captcha_tagger.params import load_params
from captcha_tagger.review.candidates import rank_candidates
from captcha_tagger.review.folds import judge

FIRST = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wrong", type=int, default=10, help="names made wrong")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--backbone", type=Path, default=Path("data/backbone"))
    parser.add_argument("-S", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    params = change(load_params(), parse_changes(arguments.changes))
    machine = set_up(params.compute)
    data = load_images(arguments.folder, params)
    rows, others = [], Counter[tuple[str, str, str]]()
    for seed in range(arguments.trials):
        trial = with_seed(params, seed)
        renamed, right = plant(data, split(data, trial).train, arguments.wrong, seed)
        verdicts = judge(
            renamed, arguments.backbone, trial, trial.split, machine,
            folds=FOLDS, every_seconds=trial.compute.save_every_seconds,
        )  # fmt: skip
        first = rank_candidates(renamed, verdicts)[:FIRST]
        found = [one for one in first if one.file in right]
        suggested = sum(one.suggestion == right[one.file] for one in found)
        rows.append([seed, len(right), len(first), len(found), suggested])
        others.update(one[:3] for one in first if one.file not in right)
    columns = ["seed", "names made wrong", f"first {FIRST}", "of them planted", "text suggested"]
    print(tabulate(rows, columns, "github"))
    for (file, text, suggestion), times in others.most_common():
        print(f"not planted: {file}: {text}, perhaps {suggestion or 'another'} ({times} times)")


def plant(
    data: Dataset, among: "np.ndarray[tuple[int], np.dtype[np.int64]]", number: int, seed: int
) -> tuple[Dataset, dict[str, str]]:
    """The data with so many names made wrong, and the right texts of these by their files."""
    generator = np.random.default_rng(seed)
    rows, right = list(data.rows), {}
    for row in generator.choice(among, number, replace=False).tolist():
        text = rows[row].text
        absent = [label for label in data.vocabulary if label not in text]
        place = int(generator.integers(len(text)))
        wrong = text[:place] + str(generator.choice(absent)) + text[place + 1 :]
        right[rows[row].file] = text
        rows[row] = rows[row]._replace(text=wrong)
    targets = encode_texts([row.text for row in rows], data.vocabulary)
    return replace(data, rows=rows, targets=targets), right


if __name__ == "__main__":
    main()
