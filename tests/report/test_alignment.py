from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from captcha_tagger.report.alignment import Step, align

TEXTS = st.text("abc", max_size=6)


def test_each_kind_of_mistake_is_named_where_it_stands() -> None:
    assert align("abcde", "xbdef") == [
        Step("substituted", "a", "x", 0),
        Step("right", "b", "b", 1),
        Step("missing", "c", "", 2),
        Step("right", "d", "d", 2),
        Step("right", "e", "e", 3),
        Step("extra", "", "f", 4),
    ]


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_the_steps_spell_both_texts_with_the_fewest_edits(actual: str, read: str) -> None:
    steps = align(actual, read)
    assert "".join(step.actual for step in steps) == actual
    assert "".join(step.read for step in steps) == read
    assert all(read[step.place] == step.read for step in steps if step.read)
    edits = sum(step.kind != "right" for step in steps)
    assert edits == Levenshtein.distance(actual, read)
