"""How two experiments differ: params, metrics, labels, images, and whether by chance.

Two Sides -> Differences, which `text` and `page` show. Pure.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from captcha_tagger.compare.side import Judged, ScoredImage, Side
from captcha_tagger.metrics.sets import HEADLINES

CHANCE = 0.05  # the p above which a difference is no news


@dataclass(frozen=True)
class ParamPair:
    """A param's values; None where a side does not have it."""

    name: str
    a: str | None
    b: str | None


@dataclass(frozen=True)
class Score:
    """A metric's value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MetricPair:
    """A metric of both sides; None where a side does not have it."""

    name: str
    a: Score | None
    b: Score | None

    @property
    def change(self) -> float | None:
        return self.b.value - self.a.value if self.a and self.b else None


@dataclass(frozen=True)
class LabelPair:
    """A label's F1 in both; None where a side does not know the label or never met it."""

    label: str
    a: float | None
    b: float | None

    @property
    def change(self) -> float:
        return 0.0 if self.a is None or self.b is None else self.b - self.a


@dataclass(frozen=True)
class ImagePair:
    """What both sides say of the same image."""

    a: ScoredImage
    b: ScoredImage


@dataclass(frozen=True)
class Differences:
    """`params` that differ; every label, by change; images that one side alone has right.

    An image is right when what is `judged` of it is. `p` is McNemar's over the shared images, None
    where there are none.
    """

    a: Side
    b: Side
    params: list[ParamPair]
    metrics: list[MetricPair]
    labels: list[LabelPair]
    judged: Judged
    shared: int
    broken: list[ImagePair]  # right in a alone, the highest loss in b first
    mended: list[ImagePair]  # right in b alone, the highest loss in a first
    p: float | None

    @property
    def by_chance(self) -> bool:
        return self.p is None or self.p >= CHANCE

    @property
    def same_images(self) -> bool:
        return self.shared == len(self.a.answers) == len(self.b.answers)


def compare(a: Side, b: Side, judged: Judged | None = None) -> Differences:
    """Judge images by what is said, else by their texts where both sides read, else by sets."""
    judged = judged or ("texts" if a.reads and b.reads else "sets")
    shared = pair_images(a, b)
    rights = [(pair, pair.a.is_right(judged), pair.b.is_right(judged)) for pair in shared]
    broken = [pair for pair, in_a, in_b in rights if in_a and not in_b]
    mended = [pair for pair, in_a, in_b in rights if in_b and not in_a]
    return Differences(
        a,
        b,
        params=_list_params(a.params, b.params),
        metrics=_pair_metrics(a.metrics, b.metrics),
        labels=_pair_labels(a.f1, b.f1),
        judged=judged,
        shared=len(shared),
        broken=sorted(broken, key=lambda pair: -pair.b.loss),
        mended=sorted(mended, key=lambda pair: -pair.a.loss),
        p=mcnemar(len(broken), len(mended)) if shared else None,
    )


def pair_images(a: Side, b: Side) -> list[ImagePair]:
    """The images that both were scored on: the same file and text, and pixels where both know."""
    answers = {(answer.file, answer.text): answer for answer in a.answers}
    pairs = [
        ImagePair(answers[key], answer)
        for answer in b.answers
        if (key := (answer.file, answer.text)) in answers
    ]
    return [
        pair
        for pair in pairs
        if pair.a.pixels is None or pair.b.pixels is None or pair.a.pixels == pair.b.pixels
    ]


def mcnemar(only_a: int, only_b: int) -> float:
    """The p of the two-sided exact test: without a difference, each such image is a fair coin.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions
    or percentages" (1947).
    """
    discordant = only_a + only_b
    tail = sum(math.comb(discordant, k) for k in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**discordant)


def _list_params(a: Mapping[str, str], b: Mapping[str, str]) -> list[ParamPair]:
    pairs = [ParamPair(name, a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys())]
    return [pair for pair in pairs if pair.a != pair.b]


def _pair_metrics(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[MetricPair]:
    """The headlines, then what else either side has an interval of."""
    names = dict.fromkeys([*HEADLINES, *sorted(a["intervals"] | b["intervals"])])
    return [MetricPair(name, _read_score(a, name), _read_score(b, name)) for name in names]


def _read_score(metrics: Mapping[str, Any], name: str) -> Score | None:
    bounds = metrics["intervals"].get(name)
    return Score(metrics[name], bounds["low"], bounds["high"]) if bounds else None


def _pair_labels(a: Mapping[str, float | None], b: Mapping[str, float | None]) -> list[LabelPair]:
    """Every label of either; what got worst in b first, then by label."""
    pairs = [LabelPair(label, a.get(label), b.get(label)) for label in sorted(a.keys() | b.keys())]
    return sorted(pairs, key=lambda pair: round(pair.change, 9))
