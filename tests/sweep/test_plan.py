import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.sweep.plan import change, list_trials, read_choices

CHOICES = {"a.x": ["1", "2", "3"], "b.y": ["p", "q"]}


def test_values_are_parted_by_commas_outside_of_brackets() -> None:
    assert read_choices(["a.x=1,2", "b.rates=[0.1,0.2],[0.3, 0.4]"]) == {
        "a.x": ["1", "2"],
        "b.rates": ["[0.1,0.2]", "[0.3, 0.4]"],
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["epochs=1"], "write SECTION.KEY=VALUE,VALUE"),
        (["a.x"], "write SECTION.KEY=VALUE,VALUE"),
        (["a.x=1", "a.x=2"], "a.x is set twice"),
        (["a.x=1,,2"], "a value is missing"),
        (["a.x=1,1"], "a value stands there twice"),
    ],
)
def test_what_cannot_be_meant_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_choices(words)


def test_a_grid_has_every_combination_the_last_params_values_first() -> None:
    trials = list_trials(CHOICES)
    assert [tuple(trial.values()) for trial in trials] == [
        ("1", "p"), ("1", "q"), ("2", "p"), ("2", "q"), ("3", "p"), ("3", "q"),
    ]  # fmt: skip
    assert all(list(trial) == ["a.x", "b.y"] for trial in trials)


def test_drawn_trials_are_different_ones_of_the_grid_by_the_seed() -> None:
    drawn = list_trials(CHOICES, 4, seed=1)
    assert len({tuple(trial.items()) for trial in drawn}) == 4
    assert all(trial in list_trials(CHOICES) for trial in drawn)
    assert drawn == list_trials(CHOICES, 4, seed=1)
    assert drawn != list_trials(CHOICES, 4, seed=2)


def test_more_than_there_are_is_all_of_them() -> None:
    assert list_trials(CHOICES, 99) == list_trials(CHOICES)


def test_a_grid_without_end_is_not_begun() -> None:
    huge = {f"a.{name}": [str(number) for number in range(100)] for name in "vwxyz"}
    with pytest.raises(InputError, match="trials are more than 10000; draw fewer"):
        list_trials(huge)
    assert len(list_trials(huge, 3)) == 3


def test_values_are_read_as_params_yaml_is() -> None:
    params = {"a": {"x": 1, "rate": 0.1}, "b": {"y": "q"}}
    assert change(params, {"a.rate": "1e-05", "b.y": "null"}) == {
        "a": {"x": 1, "rate": 1e-05},
        "b": {"y": None},
    }
    assert params["b"]["y"] == "q"


@pytest.mark.parametrize("name", ["a.z", "c.x", "a.x.y"])
def test_a_key_that_is_not_there_is_one_line(name: str) -> None:
    with pytest.raises(InputError, match=f"--set {name}: no such key in params.yaml"):
        change({"a": {"x": 1}}, {name: "1"})
