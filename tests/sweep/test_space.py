import math
import re

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.sweep.plan import read_choices
from captcha_tagger.sweep.space import Range, Space, read_space, refuse_ranges


def read(*words: str) -> Space:
    return read_space(read_choices(words))


def test_ranges_are_whole_numbers_fractions_or_logarithms() -> None:
    assert read("a.x=2..12", "a.y=0..0.5", "a.z=1e-4..1e-2:log", "a.k=p,q").dimensions == {
        "a.x.0": Range(2, 12, log=False),
        "a.y.0": Range(0, 0.5, log=False),
        "a.z.0": Range(1e-4, 1e-2, log=True),
        "a.k": ["p", "q"],
    }


def test_ranges_stand_in_lists_too() -> None:
    space = read("a.rates=[1e-3..1e-2:log, 0.5,1..3]")
    assert space.fill({"a.rates.0": 0.002, "a.rates.1": 3}) == {"a.rates": "[0.002, 0.5,3]"}


@pytest.mark.parametrize("value", ["../images", "a..b", "1...x", "v1..2", "1..2.zip"])
def test_other_points_are_text(value: str) -> None:
    assert read(f"a.x={value}").dimensions == {"a.x": [value]}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a.x=5..2", "a.x=5..2: a range goes from a number to a higher one"),
        ("a.x=2..2", "a range goes from a number to a higher one"),
        (f"a.x=1..1{'0' * 400}", "a range goes from a number to a higher one"),
        ("a.x=1..1e999", "a range goes from a number to a higher one"),
        ("a.x=0..1:log", "a range with :log begins above 0"),
        ("a.x=1..5,8", "a.x: a range stands alone, without other values"),
    ],
)
def test_a_range_without_sense_is_one_line(word: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(word)


@pytest.mark.parametrize("value", ["1..5", "[1e-3..1e-2:log, 0.001]"])
def test_a_grid_takes_no_range(value: str) -> None:
    line = re.escape(f"--set a.y={value}: a range is for --search N; list values")
    with pytest.raises(InputError, match=line):
        refuse_ranges({"a.x": ["../images", "3"], "a.y": [value]})


def test_combinations_are_counted_where_they_are_finite() -> None:
    assert read("a.x=2..4", "a.y=p,q").count() == 6
    assert read("a.x=0.1..0.2", "a.y=p,q").count() == math.inf


def test_fractions_have_three_digits_and_stay_inside() -> None:
    (span,) = read("a.x=0.12345..0.9").ranges["a.x"]
    assert [span.round(value) for value in (0.1234567, 0.345678, 0.9)] == [0.12345, 0.346, 0.9]


def test_ends_hold_every_value_and_both_ends_of_each_range() -> None:
    ends = list(read("a.x=2..12", "a.y=p,q").list_ends())
    assert {end["a.x"] for end in ends} == {"2", "12"}
    assert {end["a.y"] for end in ends} == {"p", "q"}
