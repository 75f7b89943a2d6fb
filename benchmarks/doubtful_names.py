"""How many wrong file names does a run's list of names to check find, and how many right ones?

    python benchmarks/doubtful_names.py [data] [--share 0.04] [--trials 20]

In each trial some validation images of the finished run get another text, one character replaced
by one that the text does not have; the model's answers stay.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from captcha_tagger.data.labels import encode_texts  # noqa: E402
from captcha_tagger.report.mistakes import find_doubtful_names  # noqa: E402
from captcha_tagger.report.results import Results  # noqa: E402
from tests.runs import load_run  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, default=Path("data"))
    parser.add_argument("--share", type=float, default=0.04, help="of the names made wrong")
    parser.add_argument("--trials", type=int, default=20)
    arguments = parser.parse_args()
    results = load_run(arguments.data)
    number = max(1, round(arguments.share * len(results.validation)))
    totals = np.zeros(3, int)
    for seed in range(arguments.trials):
        totals += try_once(results, number, np.random.default_rng(seed))
    found, alarms, suggested = totals / arguments.trials
    print("| exact set | wrong names | found | false alarms | right text suggested |")
    print("|---|---|---|---|---|")
    exact = results.metrics["exact_set"]
    print(f"| {exact:.4f} | {number} | {found:.2f} | {alarms:.2f} | {suggested:.2f} |")


def try_once(results: Results, number: int, generator: np.random.Generator) -> tuple[int, int, int]:
    """Names found, right names listed, and right texts suggested."""
    rows, right = list(results.rows), {}
    for position in generator.choice(len(results.validation), number, replace=False).tolist():
        row = rows[results.validation[position]]
        absent = [label for label in results.vocabulary if label not in row.text]
        place = int(generator.integers(len(row.text)))
        text = row.text[:place] + str(generator.choice(absent)) + row.text[place + 1 :]
        right[position] = row.text
        rows[results.validation[position]] = row._replace(text=text)
    texts = [rows[row].text for row in results.validation]
    targets = encode_texts(texts, results.vocabulary) > 0.5
    names = find_doubtful_names(replace(results, rows=rows, targets=targets))
    found = [name for name in names if name.position in right]
    suggested = [name for name in found if name.suggestion == right[name.position]]
    return len(found), len(names) - len(found), len(suggested)


if __name__ == "__main__":
    main()
