"""Line charts as geometry: what the page's SVG macro draws.

Data -> Chart in the units of its view box. Nothing here knows colours; they are CSS classes.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40
MAX_POINTS = 600  # more than a chart this wide can tell apart
SMALLEST = 1e-6  # below it a value is as good as 0

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """A named line; `kind` is its CSS class, dots carry the value as a tooltip."""

    name: str
    kind: str
    points: Sequence[Point]
    dots: bool = False


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
    marks: list[Tick] = field(default_factory=list)
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
        values = _decades(self.low, self.high) if self.logarithmic else _round(self.low, self.high)
        return [Tick(self.place(value), f"{value:,.10g}") for value in values]

    def _bend(self, value: float) -> float:
        return math.log10(max(value, self.low)) if self.logarithmic else value


def draw_lines(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    x_range: Point | None = None,
    y_range: Point | None = None,
    logarithmic: bool = False,
    marks: Sequence[tuple[float, str]] = (),
) -> Chart:
    """Lay the series out on shared axes, whose ranges fit the data unless given."""
    points = [point for one in series for point in one.points]
    x_low, x_high = x_range or _fit([x for x, _ in points])
    values = [y for _, y in points]
    y_low, y_high = y_range or (_fit_decades(values) if logarithmic else (0, _round_up(values)))
    x_axis = Axis(x_low, x_high, LEFT, WIDTH - RIGHT)
    y_axis = Axis(y_low, y_high, HEIGHT - BOTTOM, TOP, logarithmic)
    return Chart(
        title=title,
        x_label=x_label,
        y_label=y_label,
        x_ticks=x_axis.ticks(),
        y_ticks=y_axis.ticks(),
        lines=[_lay(one, x_axis.place, y_axis.place) for one in series],
        marks=[Tick(x_axis.place(x), text) for x, text in marks],
    )


def thin(points: Sequence[Point], limit: int = MAX_POINTS) -> list[Point]:
    """At most `limit` points: the means of equal runs of consecutive ones."""
    length = max(1, math.ceil(len(points) / limit))
    runs = [points[start : start + length] for start in range(0, len(points), length)]
    return [
        (statistics.fmean(x for x, _ in run), statistics.fmean(y for _, y in run)) for run in runs
    ]


def _lay(series: Series, x: Callable[[float], float], y: Callable[[float], float]) -> Line:
    places = [(x(a), y(b)) for a, b in series.points]
    path = " ".join(f"{'L' if i else 'M'}{a:g} {b:g}" for i, (a, b) in enumerate(places))
    tips = [f"{series.name}: {b:.4g} at {a:,.4g}" for a, b in series.points]
    dots = [(*place, tip) for place, tip in zip(places, tips, strict=True)] if series.dots else []
    return Line(series.name, series.kind, path, dots)


def _fit(values: Sequence[float]) -> Point:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _fit_decades(values: Sequence[float]) -> Point:
    """A range for a logarithmic axis, at least one decade long."""
    low = max(SMALLEST, min(values, default=0.1))
    return low, max(10 * low, max(values, default=1.0))


def _round_up(values: Sequence[float]) -> float:
    """The first round number from the highest value on, above 0."""
    high = max(values, default=0)
    if high < SMALLEST:
        return 1.0
    step = _choose_step(0, high)
    return round(math.ceil(high / step - 1e-9) * step, 12)


def _choose_step(low: float, high: float) -> float:
    """The round number of which about five make the way from low to high."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)


def _round(low: float, high: float) -> list[float]:
    """About five round numbers between low and high."""
    step = _choose_step(low, high)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten, or the powers alone where there are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 2 else (1, 3) if last - first <= 3 else (1,)
    values = [f * 10.0**power for power in range(first, last + 1) for f in factors]
    return [float(f"{value:.3g}") for value in values if low <= value <= high]
