"""What one stage left for the next, missing or damaged: manifest, pixels, split, weights."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.attack.scenario import (
    STAGE_PATHS,
    Arena,
    Attack,
    Scenario,
    each,
    params,
    put,
    remove,
    scenarios,
)

pytestmark = pytest.mark.slow

INPUTS = {
    "split": ["ingest/manifest.jsonl", "ingest/vocabulary.json"],
    "train_head": [
        "ingest/pixels.npy", "ingest/manifest.jsonl", "split/parts.json",
        "backbone/backbone.json", "backbone/weights.safetensors",
    ],
    "fine_tune": ["train_head/model/model.json", "train_head/model/weights.safetensors"],
    "evaluate": [
        "ingest/pixels.npy", "split/parts.json", "fine_tune/model/model.json",
        "fine_tune/model/weights.safetensors",
    ],
    "top_losses": [
        "evaluate/probs.npy", "evaluate/metrics.json", "evaluate/answers/readings.jsonl",
        "evaluate/answers/evidence.npy", "evaluate/labels.csv", "fine_tune/epochs.csv",
        "ingest/manifest.jsonl",
    ],
}  # fmt: skip
MODEL = "data/fine_tune/model"
WEIGHTS, CARD = f"{MODEL}/weights.safetensors", f"{MODEL}/model.json"
DAMAGES: dict[str, Callable[[str], Attack]] = {
    "gone": remove,
    "empty": lambda path: put(path, b""),
    "binary": lambda path: put(path, b"\xff\0junk\x80\n"),
    "nested too deep": lambda path: put(path, b"[" * 50_000),
    "cut off": lambda path: lambda: os.truncate(path, Path(path).stat().st_size * 2 // 5),
}


def change_weights(path: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Attack:
    def attack() -> None:
        weights = {name: change(value) for name, value in load_file(path).items()}
        save_file(weights, path)

    return attack


def ruin(value: torch.Tensor) -> torch.Tensor:
    return torch.full_like(value, torch.nan) if value.is_floating_point() else value


def replace(path: str, old: str, new: str) -> Attack:
    def attack() -> None:
        text = Path(path).read_text()
        assert old in text
        Path(path).write_text(text.replace(old, new))

    return attack


def save_array(path: str, array: np.ndarray, **options: bool) -> Attack:
    return lambda: np.save(path, array, **options)


@scenarios(
    Scenario(f"{stage}: {path} is {name}", damage(f"data/{path}"), [stage])
    for stage, paths in INPUTS.items()
    for path in paths
    for name, damage in DAMAGES.items()
    if (path, name)
    not in {
        ("evaluate/labels.csv", "empty"),
        ("fine_tune/epochs.csv", "empty"),
        ("evaluate/answers/readings.jsonl", "gone"),  # as of a model that does not read
        ("evaluate/answers/readings.jsonl", "empty"),
    }
)
def test_a_damaged_input_is_one_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario(f"{stage}: its inputs are gone", remove("data"), [stage])
    for stage, paths in STAGE_PATHS.items()
    if len(paths) > 1
)
def test_missing_inputs_are_one_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


BACKBONE = "data/backbone/weights.safetensors"


@scenarios(
    Scenario("evaluate: weights of NaN", change_weights(WEIGHTS, ruin), ["evaluate"]),
    Scenario("evaluate: other shapes", change_weights(WEIGHTS, torch.atleast_3d), ["evaluate"]),
    Scenario("train_head: backbone of NaN", change_weights(BACKBONE, ruin), ["train_head"], 2),
    Scenario(
        "train_head: a backbone of other shapes",
        change_weights(BACKBONE, torch.atleast_3d),
        ["train_head"],
    ),
    Scenario("train_head: a backbone of nothing", lambda: save_file({}, BACKBONE), ["train_head"]),
    Scenario(
        "train_head: another architecture",
        replace("data/backbone/backbone.json", "compact", "resnet18"),
        ["train_head"],
    ),
    Scenario(
        "train_head: no such architecture",
        replace("data/backbone/backbone.json", "compact", "no"),
        ["train_head"],
    ),
    Scenario(
        "split: a part too many rows",
        put("data/split/parts.json", '{"train": [0, 999], "validation": [1]}'),
        ["train_head"],
    ),
    Scenario(
        "split: negative rows",
        put("data/split/parts.json", '{"train": [0, -5], "validation": [1]}'),
        ["train_head"],
    ),
    Scenario(
        "split: words",
        put("data/split/parts.json", '{"train": ["a"], "validation": [1]}'),
        ["train_head"],
    ),
    Scenario(
        "split: no validation",
        put("data/split/parts.json", '{"train": [0], "validation": []}'),
        ["evaluate"],
    ),
    Scenario("split: keys gone", put("data/split/parts.json", "{}"), ["evaluate"]),
    Scenario("split: a list", put("data/split/parts.json", "[]"), ["evaluate"]),
    Scenario(
        "pixels of floats",
        save_array("data/ingest/pixels.npy", np.zeros((36, 1, 20, 40))),
        ["train_head"],
    ),
    Scenario(
        "pixels of a few",
        save_array("data/ingest/pixels.npy", np.zeros((3, 1, 20, 40), np.uint8)),
        ["train_head"],
    ),
    Scenario(
        "pixels of objects",
        save_array("data/ingest/pixels.npy", np.array([len]), allow_pickle=True),
        ["evaluate"],
    ),
    Scenario(
        "pixels of another size",
        save_array("data/ingest/pixels.npy", np.zeros((36, 1, 64, 64), np.uint8)),
        ["evaluate"],
    ),
    Scenario(
        "a vocabulary of others", put("data/ingest/vocabulary.json", '["x", "y"]'), ["train_head"]
    ),
    Scenario(
        "a vocabulary that is a word", put("data/ingest/vocabulary.json", '"abc"'), ["train_head"]
    ),
    Scenario(
        "a vocabulary of numbers", put("data/ingest/vocabulary.json", "[1, 2]"), ["train_head"]
    ),
    Scenario(
        "probs of others",
        save_array("data/evaluate/probs.npy", np.zeros((2, 2), np.float32)),
        ["top_losses"],
    ),
    Scenario(
        "losses of others",
        save_array("data/evaluate/losses.npy", np.zeros((2, 2), np.float32)),
        ["top_losses"],
    ),
    Scenario("no numbers in metrics", put("data/evaluate/metrics.json", "{}"), ["top_losses"]),
)
def test_inputs_that_do_not_fit_are_one_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


USERS = "mine.safetensors"
FROM_FILE = params(backbone={"source": "file", "file": USERS})
FROM_PTH = params(backbone={"source": "file", "file": "mine.pth"})


@scenarios(
    Scenario("file: gone", FROM_FILE, ["backbone"], 2, "no such file"),
    Scenario("file: text", each(FROM_FILE, put(USERS, b"hello")), ["backbone"]),
    Scenario("file: empty", each(FROM_FILE, put(USERS, b"")), ["backbone"]),
    Scenario("file: a folder", each(FROM_FILE, lambda: Path(USERS).mkdir()), ["backbone"]),
    Scenario("file: a pipe", each(FROM_FILE, lambda: os.mkfifo(USERS)), ["backbone"]),
    Scenario("file: nothing in it", each(FROM_FILE, lambda: save_file({}, USERS)), ["backbone"]),
    Scenario("file: a huge header", each(FROM_FILE, put(USERS, b"\xff" * 64)), ["backbone"]),
    Scenario("pth: text", each(FROM_PTH, put("mine.pth", b"hello")), ["backbone"]),
    Scenario("pth: empty", each(FROM_PTH, put("mine.pth", b"")), ["backbone"]),
    Scenario("pth: a list", each(FROM_PTH, lambda: torch.save([1], "mine.pth")), ["backbone"]),
    Scenario(
        "pth: code", each(FROM_PTH, lambda: torch.save({"a": print}, "mine.pth")), ["backbone"]
    ),
    Scenario(
        "pth: a zip of nothing",
        each(FROM_PTH, put("mine.pth", b"PK\5\6" + bytes(18))),
        ["backbone"],
    ),
    Scenario("check: gone", FROM_FILE, ["check"], 2, "backbone.file"),
    Scenario(
        "check: another ending",
        params(backbone={"source": "file", "file": "labels.csv"}),
        ["check"],
    ),
    Scenario("an unknown architecture", params(backbone={"architecture": "compct"}), ["backbone"]),
)
def test_weights_from_elsewhere_are_taken_or_refused_in_a_line(
    arena: Arena, scenario: Scenario
) -> None:
    arena.play(scenario)
