"""Two experiments side by side: params, metrics, labels, and whether they differ by chance.

Folders as data/evaluate/ and the flat params of each -> Comparison.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json, read_table

HEADLINES = ("label_accuracy", "exact_set", "micro_f1", "macro_f1")


@dataclass(frozen=True)
class Side:
    """One experiment: its name, flat params, and the content of its evaluation."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, Any]
    f1: Mapping[str, float]
    exact: Mapping[tuple[str, str], bool]  # (file, text) -> whether the whole label set is right


@dataclass(frozen=True)
class Comparison:
    """`params` and `labels` only where the sides differ; labels by how much B is better."""

    params: list[tuple[str, str, str]]
    metrics: list[tuple[str, str, str]]
    labels: list[tuple[str, float, float]]
    paired: "Paired | None"  # None: not the same validation images


@dataclass(frozen=True)
class Paired:
    """McNemar's exact test on the images whose label set only one side got right."""

    images: int
    only_a: int
    only_b: int
    p: float


def read_side(name: str, evaluate: Path, params: Mapping[str, str]) -> Side:
    """Read the evaluation's folder; InputError when there is none."""
    try:
        predictions = read_table(evaluate / "predictions.csv")
        return Side(
            name,
            params,
            read_json(evaluate / "metrics.json"),
            {row["label"]: float(row["f1"]) for row in read_table(evaluate / "labels.csv")},
            {(row["file"], row["text"]): row["labels"] == row["predicted"] for row in predictions},
        )
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        raise InputError(f"{name}: not evaluated, {missing} is missing") from None


def compare(a: Side, b: Side) -> Comparison:
    names = sorted(a.params.keys() | b.params.keys())
    both = [(name, a.params.get(name, "-"), b.params.get(name, "-")) for name in names]
    labels = [
        (label, a.f1[label], b.f1[label])
        for label in sorted(a.f1.keys() & b.f1.keys())
        if a.f1[label] != b.f1[label]
    ]
    return Comparison(
        params=[row for row in both if row[1] != row[2]],
        metrics=[(name, describe(a.metrics, name), describe(b.metrics, name))
                 for name in HEADLINES],
        labels=sorted(labels, key=lambda row: row[1] - row[2]),
        paired=pair(a, b) if a.exact.keys() == b.exact.keys() else None,
    )  # fmt: skip


def pair(a: Side, b: Side) -> Paired:
    """Count the images that one side alone has right, and test the difference."""
    only_a = sum(right and not b.exact[image] for image, right in a.exact.items())
    only_b = sum(right and not a.exact[image] for image, right in b.exact.items())
    return Paired(len(a.exact), only_a, only_b, mcnemar(only_a, only_b))


def mcnemar(only_a: int, only_b: int) -> float:
    """The p of the two-sided exact test: without a difference, each such image is a fair coin.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions
    or percentages" (1947).
    """
    discordant = only_a + only_b
    tail = sum(math.comb(discordant, k) for k in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**discordant)


def describe(metrics: Mapping[str, Any], name: str) -> str:
    """`0.9823 (0.9787 to 0.9871)`: the value and its 95 % interval."""
    bounds = metrics["intervals"][name]
    return f"{metrics[name]:.4f} ({bounds['low']:.4f} to {bounds['high']:.4f})"


def format_comparison(a: Side, b: Side) -> str:
    """The comparison as text for people."""
    found = compare(a, b)
    rows = [("", a.name, b.name), *found.metrics, *found.params]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in rows]  # fmt: skip
    better = [f"{label} {f1_a:.3f} -> {f1_b:.3f}" for label, f1_a, f1_b in found.labels
              if f1_b > f1_a]  # fmt: skip
    worse = [f"{label} {f1_a:.3f} -> {f1_b:.3f}" for label, f1_a, f1_b in reversed(found.labels)
             if f1_b < f1_a]  # fmt: skip
    lines += [
        "",
        f"labels with a better F1 in {b.name}: {', '.join(better) or 'none'}",
        f"labels with a worse F1 in {b.name}: {', '.join(worse) or 'none'}",
        _conclude(a, b, found.paired),
    ]
    return "\n".join(lines)


def _conclude(a: Side, b: Side, paired: Paired | None) -> str:
    if paired is None:
        return "not the same validation images, so no paired test: the intervals are all there is"
    verdict = "more than chance" if paired.p < 0.05 else "no more than chance would give"
    return (
        f"of the same {paired.images} validation images, only {a.name} has {paired.only_a} right "
        f"and only {b.name} {paired.only_b}: {verdict} (McNemar's exact test, p = {paired.p:.3g})"
    )
