import pytest

from captcha_tagger.report.page import format_change, format_percent


@pytest.mark.parametrize(
    ("share", "text"),
    [(1, "100.0"), (0.99999, "99.9"), (0.9994, "99.9"), (0.0, "0.0"), (0.00001, "0.0")],
)
def test_only_a_whole_is_a_hundred_percent(share, text):
    assert format_percent(share) == f"{text}\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("share", "text"), [(0.012, "+1.2"), (-0.004, "−0.4"), (0, "0.0"), (-0.0001, "0.0")]
)
def test_a_change_has_a_sign_unless_it_is_none(share, text):
    assert format_change(share) == text
