"""What a search may choose from: values as they are written, and ranges of numbers.

`fine_tune.epochs=2..12` is every whole number between, ends included; `0.5..0.99` every fraction;
`1e-4..1e-2:log` as often between 1e-4 and 1e-3 as between 1e-3 and 1e-2. A range may stand in a
list, too: `fine_tune.learning_rates=[1e-3..1e-2:log, 0.001]`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from captcha_tagger.base.errors import InputError
from captcha_tagger.sweep.plan import Choices, Settings

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
RANGE = re.compile(
    rf"(?<![^\s\[,])({NUMBER})\.\.({NUMBER})(:log)?(?![^\s\],])", re.ASCII | re.IGNORECASE
)

Values = dict[str, str | float]  # what is chosen, by the name of the choice


class Range(NamedTuple):
    """Whole numbers where both ends are, else fractions."""

    low: float
    high: float
    log: bool

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def round(self, value: float) -> float:
        """The value in three digits, as people would write it."""
        if self.is_whole:
            return value
        return min(max(float(f"{value:.3g}"), self.low), self.high)


@dataclass(frozen=True)
class Space:
    """The values of each param, and the ranges in the one value of those that have any."""

    choices: Choices
    ranges: dict[str, list[Range]]

    @property
    def dimensions(self) -> dict[str, list[str] | Range]:
        """What is to be chosen, by name: a param, or a range's place in its value."""
        found: dict[str, list[str] | Range] = {}
        for key, values in self.choices.items():
            if key not in self.ranges:
                found[key] = values
            for place, span in enumerate(self.ranges.get(key, [])):
                found[f"{key}.{place}"] = span
        return found

    def count(self) -> float:
        """How many combinations there are; infinite where there are fractions."""
        return math.prod(_count(one) for one in self.dimensions.values())

    def fill(self, values: Mapping[str, str | float]) -> Settings:
        """The params with what is chosen."""
        settings: Settings = {}
        for key, texts in self.choices.items():
            if key in self.ranges:
                places = range(len(self.ranges[key]))
                settings[key] = _fill_in(texts[0], [values[f"{key}.{place}"] for place in places])
            else:
                settings[key] = str(values[key])
        return settings

    def list_ends(self) -> Iterator[Settings]:
        """Settings in which every value stands once, and both ends of every range."""
        first = {name: _list_ends(one)[0] for name, one in self.dimensions.items()}
        for name, one in self.dimensions.items():
            for value in _list_ends(one):
                yield self.fill({**first, name: value})


def read_space(choices: Choices) -> Space:
    """The values with the ranges in them; InputError for a range that makes no sense."""
    ranges: dict[str, list[Range]] = {}
    for key, values in choices.items():
        found = [_read_range(key, match) for value in values for match in RANGE.finditer(value)]
        if found and len(values) > 1:
            raise InputError(f"--set {key}: a range stands alone, without other values")
        if found:
            ranges[key] = found
    return Space(choices, ranges)


def refuse_ranges(choices: Choices) -> None:
    """InputError where a value holds a range: not every number in it can be tried."""
    for key, values in choices.items():
        if ranges := [value for value in values if RANGE.search(value)]:
            raise InputError(f"--set {key}={ranges[0]}: a range is for --search N; list values")


def _read_range(key: str, match: "re.Match[str]") -> Range:
    low, high = _read_number(match[1]), _read_number(match[2])
    where = f"--set {key}={match[0]}"
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise InputError(f"{where}: a range goes from a number to a higher one")
    if match[3] and low <= 0:
        raise InputError(f"{where}: a range with :log begins above 0")
    return Range(low, high, bool(match[3]))


def _read_number(text: str) -> float:
    number = float(text)  # infinite where it has too many digits
    try:
        return int(text) if math.isfinite(number) else number
    except ValueError:
        return number


def _fill_in(text: str, values: Iterable[str | float]) -> str:
    """The text with its ranges replaced by these values."""
    left = iter(values)
    return RANGE.sub(lambda _: repr(next(left)), text)


def _count(dimension: list[str] | Range) -> float:
    if not isinstance(dimension, Range):
        return len(dimension)
    return dimension.high - dimension.low + 1 if dimension.is_whole else math.inf


def _list_ends(dimension: list[str] | Range) -> list[str] | list[float]:
    return [dimension.low, dimension.high] if isinstance(dimension, Range) else dimension
