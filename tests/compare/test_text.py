"""The differences as people read them in a terminal."""

from dataclasses import replace

from captcha_tagger.compare.differences import compare
from captcha_tagger.compare.text import format_differences
from tests.compare.sides import make_side


def test_each_side_has_a_column_and_each_metric_its_interval() -> None:
    a, b = make_side("old", "+", {"fine_tune.epochs": "2"}), make_side("new", "+")
    better = replace(b, metrics={**b.metrics, "exact_set": 0.25})
    lines = [line.split() for line in format_differences(compare(a, better)).splitlines()]
    assert lines[0] == ["old", "new"]
    cells = "exact_set 0.2000 (0.1800 to 0.2100) 0.2500 (0.1800 to 0.2100)"
    assert cells.split() in lines
    assert ["fine_tune.epochs", "2", "-"] in lines


def test_labels_stand_under_better_or_worse_the_largest_change_first() -> None:
    a = make_side("old", "+", f1={"a": 0.5, "b": 0.5, "c": 0.5, "d": None, "e": 0.5})
    b = make_side("new", "+", f1={"a": 0.75, "b": 0.25, "c": 0.875, "d": 1.0, "e": 0.5})
    lines = format_differences(compare(a, b)).splitlines()
    assert "labels with a better F1 in new: c 0.500 -> 0.875, a 0.500 -> 0.750" in lines
    assert "labels with a worse F1 in new: b 0.500 -> 0.250" in lines


def test_the_last_line_says_whether_it_is_more_than_chance() -> None:
    def conclude(a: str, b: str) -> str:
        found = compare(make_side("old", a), make_side("new", b))
        return format_differences(found).splitlines()[-1]

    assert conclude("-" * 12, "+" * 12) == (
        "of the 12 validation images that both have, only old has 0 right and only new 12: "
        "more than chance (McNemar's exact test on sets, p = 0.000488)"
    )
    assert "no more than chance would give" in conclude("+-", "-+")


def test_the_last_line_says_when_texts_are_compared() -> None:
    found = compare(make_side("greedy", "++", read="--"), make_side("beam", "++", read="-+"))
    assert format_differences(found).splitlines()[-1] == (
        "of the 2 validation images that both have, only greedy has 0 right and only beam 1: "
        "no more than chance would give (McNemar's exact test on texts, p = 1)"
    )


def test_parts_that_differ_are_said() -> None:
    a, b = make_side("old", "++"), make_side("new", "+++")
    text = format_differences(compare(a, b))
    assert "of the 2 validation images that both have" in text
    assert "old was scored on 2 images, new on 3" in text
    nothing = replace(b, answers=[])
    assert "none of them the same: no paired test" in format_differences(compare(a, nothing))
