"""A stored run against a row: what is missing, what contradicts."""

from typing import Any

from captcha_tagger.tracking.agreement import Logged, changed_scores, contradicts, missing_points

START = 1_000


def make_row(*losses: float) -> dict[str, Any]:
    curve = [("step/loss", step, loss) for step, loss in enumerate(losses)]
    return {"curve": curve, "metrics": {"exact_set": 0.5}}


def log(*losses: float) -> list[Logged]:
    return missing_points([], make_row(*losses), START)


def test_a_run_lacks_what_came_after_its_last_point() -> None:
    assert missing_points(log(3.0, 2.0), make_row(3.0, 2.0, 1.0), START) == [
        Logged("step/loss", 1.0, START + 2, 2)
    ]


def test_a_complete_run_lacks_nothing() -> None:
    assert missing_points(log(3.0, 2.0), make_row(3.0, 2.0), START) == []


def test_points_of_a_training_that_is_further_on_are_no_contradiction() -> None:
    assert not contradicts(log(3.0, 2.0, 1.0), make_row(3.0, 2.0))


def test_another_value_at_a_step_is_a_contradiction() -> None:
    assert contradicts(log(3.0, 2.5), make_row(3.0, 2.0))


def test_scores_are_logged_when_they_change_and_not_again() -> None:
    row = make_row()
    assert changed_scores({"exact_set": 0.4}, row, 9) == [Logged("exact_set", 0.5, 9, 0)]
    assert changed_scores({"exact_set": 0.5}, row, 9) == []


def test_samples_of_the_system_are_told_apart_by_their_time() -> None:
    row = {"curve": [], "system": [("system/cpu", 10, 1.0), ("system/cpu", 20, 1.0)]}
    first = missing_points([], row, START)
    assert [point.time for point in first] == [10, 20]
    assert missing_points(first[:1], row, START) == first[1:]
