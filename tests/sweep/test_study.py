"""Optuna itself: that it learns, that it goes on, and that it gives up on what is hopeless."""

import math

from captcha_tagger.sweep.space import Range, Values
from captcha_tagger.sweep.study import Tried, is_hopeless, suggest
from tests.sweep.optunas import NEEDS_OPTUNA

pytestmark = NEEDS_OPTUNA
RATE, KIND = Range(1e-5, 1.0, log=True), ["good", "bad", "worse"]
DIMENSIONS = {"rate": RATE, "kind": KIND}


def score(values: Values) -> float:
    """Best at a rate of 1e-3 and the first kind."""
    away = abs(math.log10(float(values["rate"])) + 3)
    return 1 - 0.1 * away - 0.2 * KIND.index(str(values["kind"]))


def search(number: int, seed: int, past: tuple[Tried, ...] = ()) -> list[Tried]:
    tried = list(past)
    while len(tried) < number:
        values = suggest(DIMENSIONS, tried, seed)
        assert values is not None
        tried.append(Tried(values, "COMPLETE", score(values)))
    return tried


def mean(tried: list[Tried]) -> float:
    return sum(score(one.values) for one in tried) / len(tried)


def test_it_learns_where_the_scores_are_high() -> None:
    searches = [search(40, seed) for seed in range(5)]
    gains = [mean(tried[20:]) - mean(tried[:10]) for tried in searches]  # the first ten are drawn
    assert sum(gains) / len(gains) > 0.1


def test_it_goes_on_from_what_was_tried_as_if_it_had_never_stopped() -> None:
    tried = search(14, seed=1)
    assert search(14, seed=1, past=tuple(tried[:11])) == tried
    assert search(3, seed=2) != tried[:3]


def test_it_asks_for_nothing_twice_and_ends_when_all_is_tried() -> None:
    tried: list[Tried] = []
    dimensions = {"x": Range(1, 3, log=False), "y": ["p", "q"]}
    while values := suggest(dimensions, tried, 0):
        tried.append(Tried(values, "COMPLETE", 1.0) if len(tried) % 2 else Tried(values, "RUNNING"))
    assert len({tuple(one.values.values()) for one in tried}) == len(tried) == 6


def finish(shares: dict[int, float]) -> Tried:
    return Tried({"rate": 0.1, "kind": "good"}, "COMPLETE", 1.0, shares)


def test_what_is_below_the_median_at_its_share_is_hopeless() -> None:
    past = [finish({5: share, 10: 0.9}) for share in (0.2, 0.4, 0.6, 0.8, 1.0)]
    assert is_hopeless(DIMENSIONS, past, {5: 0.5})
    assert not is_hopeless(DIMENSIONS, past, {5: 0.6})
    assert not is_hopeless(DIMENSIONS, past, {4: 0.7, 5: 0.5})
    assert not is_hopeless(DIMENSIONS, past, {4: 0.0})


def test_nothing_is_hopeless_beside_few_or_beside_those_that_did_not_end_well() -> None:
    past = [finish({5: 1.0}) for _ in range(4)]
    pruned = [one._replace(state="PRUNED", score=None) for one in past]
    failed = [one._replace(state="FAIL", score=None) for one in past]
    assert not is_hopeless(DIMENSIONS, past + pruned + failed, {5: 0.1})
    assert is_hopeless(DIMENSIONS, [*past, past[0]], {5: 0.1})
