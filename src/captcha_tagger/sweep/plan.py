"""The words of a sweep -> its trials: every combination of the values, or so many drawn of them."""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.settings import UNREADABLE

MOST_TRIALS = 10_000
BRACKETS = {**dict.fromkeys("[{(", 1), **dict.fromkeys("]})", -1)}

Choices = dict[str, list[str]]  # values, as written, by the param's dotted name
Settings = dict[str, str]  # one value for each


def read_choices(words: Sequence[str]) -> Choices:
    """`fine_tune.epochs=2,4` as {"fine_tune.epochs": ["2", "4"]}; brackets keep their commas."""
    choices: Choices = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or "." not in name:
            raise InputError(f"--set {word}: write SECTION.KEY=VALUE,VALUE")
        if name in choices:
            raise InputError(f"--set {word}: {name} is set twice; list all its values at once")
        choices[name] = _split(values)
        if not all(choices[name]):
            raise InputError(f"--set {word}: a value is missing")
        if len(set(choices[name])) < len(choices[name]):
            raise InputError(f"--set {word}: a value stands there twice")
    return choices


def list_trials(choices: Choices, number: int | None = None, seed: int = 0) -> list[Settings]:
    """Every combination, the last param's values first; or so many of them, drawn by the seed."""
    total = math.prod(map(len, choices.values()))
    if (trials := min(number or total, total)) > MOST_TRIALS:
        raise InputError(f"{trials} trials are more than {MOST_TRIALS}; draw fewer: --random N")
    places: Sequence[int] = range(total)
    if number is not None and number < total:
        places = random.Random(seed).sample(places, number)
    return [_pick(choices, place) for place in places]


def change(params: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The sections of params.yaml with these values; InputError for a key that is not there."""
    changed = {name: dict(section) for name, section in params.items()}
    for name, value in settings.items():
        section, _, key = name.partition(".")
        if key not in changed.get(section, {}):
            raise InputError(f"--set {name}: no such key in params.yaml")
        try:
            changed[section][key] = YAML(typ="safe", pure=True).load(value)
        except UNREADABLE:
            raise InputError(f"--set {name}={value}: not readable as YAML") from None
    return changed


def describe(settings: Settings) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


def _split(values: str) -> list[str]:
    depth, parts = 0, [""]
    for letter in values:
        depth += BRACKETS.get(letter, 0)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _pick(choices: Choices, place: int) -> Settings:
    """The combination at a place of the whole grid, which is never written out."""
    picked: Settings = {}
    for name in reversed(choices):
        place, index = divmod(place, len(choices[name]))
        picked[name] = choices[name][index]
    return {name: picked[name] for name in choices}
