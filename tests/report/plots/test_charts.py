import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captcha_tagger.report.plots.charts import HEIGHT, WIDTH, draw_chart, thin
from captcha_tagger.report.plots.curves import Plot, Series

finite = st.floats(-1e9, 1e9, allow_nan=False)


def draw(points, **options):
    series = Series("a", "first", "steps", "loss", dots=True, points=points)
    return draw_chart(Plot("title", "step", "x", "y", (series,), **options))


@settings(deadline=None)  # the first call imports matplotlib
@given(st.lists(st.tuples(finite, st.floats(0, 1e9)), max_size=20), st.booleans())
def test_any_series_stays_inside_the_view_box(points, logarithmic):
    chart = draw(points, logarithmic=logarithmic)
    for x, y, _ in chart.lines[0].dots:
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT
    assert len(chart.y_ticks) < 30


def test_ticks_are_round_numbers():
    chart = draw([(0, 0), (765, 0.0098)])
    assert [tick.text for tick in chart.x_ticks] == ["0", "200", "400", "600"]
    assert [tick.text for tick in chart.y_ticks] == [
        "0",
        "0.002",
        "0.004",
        "0.006",
        "0.008",
        "0.01",
    ]


def test_a_logarithmic_axis_counts_in_powers_of_ten():
    chart = draw([(0, 0.01), (1, 20)], logarithmic=True)
    assert [tick.text for tick in chart.y_ticks] == ["0.01", "0.1", "1", "10"]


def test_marks_stand_at_their_step():
    chart = draw([(0, 0), (100, 1)], marks=[(50, "unfreezing")])
    assert chart.marks[0].place == pytest.approx((chart.left + chart.right) / 2)


@given(st.lists(st.tuples(finite, finite), max_size=50), st.integers(1, 20))
def test_thinning_keeps_to_the_limit_and_to_the_range(points, limit):
    thinned = thin(points, limit)
    assert len(thinned) <= limit
    if len(points) <= limit:
        assert len(thinned) == len(points)
    for x, _ in thinned:
        low, high = min(x for x, _ in points), max(x for x, _ in points)
        assert low <= x <= high or math.isclose(x, low, rel_tol=1e-6) or math.isclose(x, high)
