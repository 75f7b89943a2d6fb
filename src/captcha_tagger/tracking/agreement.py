"""What a stored run lacks of a row, or shows against it: plain values in, plain values out.

A metric in a store can be added to but not taken back, so every point has one time stamp that
follows from the run, and a run that shows a point which the files do not have must be replaced.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Logged:
    """One value of a metric as a store keeps it; `time` in ms."""

    name: str
    value: float
    time: int
    step: int


def contradicts(stored: Iterable[Logged], row: Mapping[str, Any]) -> bool:
    """Whether the store shows a point that is not in the row's curve, or another value of one.

    Points after the row's last step are those of a training that is further on.
    """
    truth = {(name, step): value for name, step, value in row["curve"]}
    last = max((step for _, step in truth), default=-1)
    names = {name for name, _ in truth}
    return any(
        point.value != truth.get((point.name, point.step))
        for point in stored
        if point.name in names and point.step <= last
    )


def missing_points(stored: Iterable[Logged], row: Mapping[str, Any], start: int) -> list[Logged]:
    """The row's points that the store lacks; `start` is the run's start in ms."""
    stored = list(stored)
    steps = {(point.name, point.step) for point in stored}
    times = {(point.name, point.time) for point in stored}
    curve = [
        Logged(name, value, start + step, step)
        for name, step, value in row["curve"]
        if (name, step) not in steps
    ]
    sampled = [
        Logged(name, value, time, step)
        for step, (name, time, value) in enumerate(row.get("system", []))
        if (name, time) not in times
    ]
    return curve + sampled


def changed_scores(last: Mapping[str, float], row: Mapping[str, Any], now: int) -> list[Logged]:
    """Final metrics that differ from the last value stored; the newest time stamp counts."""
    return [
        Logged(name, value, now, 0)
        for name, value in row["metrics"].items()
        if last.get(name) != value
    ]
