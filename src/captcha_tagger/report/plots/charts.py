"""Plots as geometry: what the page's SVG macro draws.

Plot -> Chart in the units of its view box. Nothing here knows colours; they are CSS classes.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from captcha_tagger.report.plots.curves import Plot, Point, Series

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40
MAX_POINTS = 600  # more than a chart this wide can tell apart
SMALLEST = 1e-6  # below it a value is as good as 0


@dataclass(frozen=True)
class Line:
    """A series in view box units; an empty path draws nothing."""

    name: str
    kind: str
    path: str
    dots: list[tuple[float, float, str]]


@dataclass(frozen=True)
class Tick:
    place: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A plot area from (left, top) to (right, bottom) with its ticks, lines and marks."""

    title: str
    x_label: str
    y_label: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]
    marks: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Axis:
    """A scale from data to view box units, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        low, high = self._bend(self.low), self._bend(self.high)
        share = (self._bend(value) - low) / (high - low)
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)

    def ticks(self) -> list[Tick]:
        values = (_decades if self.logarithmic else _list_round)(self.low, self.high)
        shown = (value for value in values if self.low <= value <= self.high)
        return [Tick(self.place(value), f"{value:,.10g}") for value in shown]

    def _bend(self, value: float) -> float:
        return math.log10(max(value, self.low)) if self.logarithmic else value


def draw_chart(plot: Plot) -> Chart:
    """Lay the plot's series out on shared axes."""
    points = [point for one in plot.series for point in one.points]
    values = [y for _, y in points]
    fit = _fit_decades if plot.logarithmic else _fit_from_0
    x_axis = Axis(*(plot.x_range or _fit([x for x, _ in points])), LEFT, WIDTH - RIGHT)
    y_axis = Axis(*(plot.y_range or fit(values)), HEIGHT - BOTTOM, TOP, plot.logarithmic)
    return Chart(
        title=plot.title,
        x_label=plot.x_label,
        y_label=plot.y_label,
        x_ticks=x_axis.ticks(),
        y_ticks=y_axis.ticks(),
        lines=[_lay(one, x_axis.place, y_axis.place) for one in plot.series],
        marks=[Tick(x_axis.place(x), text) for x, text in plot.marks],
    )


def thin(points: Sequence[Point], limit: int = MAX_POINTS) -> list[Point]:
    """At most `limit` points: the means of equal runs of consecutive ones."""
    length = max(1, math.ceil(len(points) / limit))
    runs = [points[start : start + length] for start in range(0, len(points), length)]
    return [
        (statistics.fmean(x for x, _ in run), statistics.fmean(y for _, y in run)) for run in runs
    ]


def _lay(series: Series, x: Callable[[float], float], y: Callable[[float], float]) -> Line:
    points = series.points if series.dots else thin(series.points)
    places = [(x(a), y(b)) for a, b in points]
    path = " ".join(f"{'L' if i else 'M'}{a:g} {b:g}" for i, (a, b) in enumerate(places))
    tips = [f"{series.name}: {b:.4g} at {a:,.4g}" for a, b in points]
    dots = [(*place, tip) for place, tip in zip(places, tips, strict=True)] if series.dots else []
    return Line(series.name, series.kind, path, dots)


def _fit(values: Sequence[float]) -> Point:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _fit_decades(values: Sequence[float]) -> Point:
    """A range for a logarithmic axis, at least one decade long."""
    low = max(SMALLEST, min(values, default=0.1))
    return low, max(10 * low, max(values, default=1.0))


def _fit_from_0(values: Sequence[float]) -> Point:
    """From 0 to the first round number from the highest value on."""
    high = max(values, default=0)
    return 0, (_list_round(0, high)[-1] if high >= SMALLEST else 1)


def _list_round(low: float, high: float) -> list[float]:
    """About five round numbers, the first at most low and the last at least high."""
    from matplotlib.ticker import MaxNLocator

    return [float(tick) for tick in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten, or the powers alone where there are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 2 else (1, 3) if last - first <= 3 else (1,)
    values = [f * 10.0**power for power in range(first, last + 1) for f in factors]
    return [float(f"{value:.3g}") for value in values]
