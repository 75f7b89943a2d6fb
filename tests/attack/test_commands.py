"""The command line: odd words, tampered models, places where nothing can be written."""

import os
from pathlib import Path

import pytest

from tests.attack.scenario import (
    Arena,
    Attack,
    Scenario,
    each,
    leave_alone,
    link,
    params,
    put,
    remove,
    scenarios,
)
from tests.attack.test_outputs import CARD, DAMAGES, MODEL, WEIGHTS, change_weights, replace, ruin
from tests.attack.test_params import drop

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # MLflow's own

IMAGE = "images/a1.png"


def with_card(old: str, new: str) -> Attack:
    return replace(CARD, old, new)


TAMPERED: dict[str, Attack] = {
    **{f"weights {name}": damage(WEIGHTS) for name, damage in DAMAGES.items()},
    **{f"card {name}": damage(CARD) for name, damage in DAMAGES.items()},
    "weights of NaN": change_weights(WEIGHTS, ruin),
    "a huge height": with_card('"height": 20', '"height": 200000'),
    "a negative width": with_card('"width": 40', '"width": -40'),
    "no height": with_card('"height": 20', '"height": 0'),
    "two channels": with_card('"channels": ', '"channels": 2'),
    "a label twice": with_card('"a",', '"b",'),
    "a label of two characters": with_card('"a",', '"ab",'),
    "a threshold of 2": with_card('"threshold": 0', '"threshold": 2'),
    "a threshold of NaN": with_card('"threshold": 0', '"threshold": NaN, "x": 0'),
    "an unknown head": with_card('"ctc"', '"attention"'),
    "another head": with_card('"ctc"', '"noisy_or"'),
    "an unknown architecture": with_card('"compact"', '"../../etc"'),
    "an unknown key": with_card('"height"', '"code": "print(1)", "height"'),
    "weights are a pipe": each(remove(WEIGHTS), lambda: os.mkfifo(WEIGHTS)),
    "card is a pipe": each(remove(CARD), lambda: os.mkfifo(CARD)),
    "weights are a device": link(WEIGHTS, "/dev/zero"),
    "card is a device": link(CARD, "/dev/zero"),
    "nothing there": remove(MODEL),
}


@scenarios(
    Scenario(f"{words[0]}: {name}", attack, words)
    for words in (["predict", IMAGE], ["evaluate"], ["export", "m.onnx"], ["serve", "--port", "0"])
    for name, attack in TAMPERED.items()
)
def test_a_tampered_model_is_one_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario("no command", leave_alone, ["bogus"], 2),
    Scenario("predict: no path", leave_alone, ["predict"], 2),
    Scenario("lr-find: odd word", leave_alone, ["lr-find", "--what"], 2),
    Scenario("export: unknown format", leave_alone, ["export", "m", "--format", "tflite"], 2),
    Scenario("ui: a word as port", leave_alone, ["ui", "--port", "http"], 2),
    Scenario("compare: one side", leave_alone, ["compare", "HEAD"], 2),
)
def test_words_that_are_none_are_told_how_it_is_used(
    arena: Arena, scenario: Scenario, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(arena.root.rglob("*"))
    from captcha_tagger.commands.cli import main

    with pytest.raises(SystemExit) as end:
        main(scenario.words)
    assert end.value.code == scenario.code
    assert "usage: captcha-tagger" in capsys.readouterr().err
    assert sorted(arena.root.rglob("*")) == before


@scenarios(
    Scenario("predict: good", leave_alone, ["predict", IMAGE], 0),
    Scenario("predict: a folder as JSON", leave_alone, ["predict", "images", "--json"], 0),
    Scenario("predict: empty", leave_alone, ["predict", ""], 2, "an empty path"),
    Scenario("predict: nowhere", leave_alone, ["predict", "no.png"], 2, "no such file"),
    Scenario("predict: a zero byte", leave_alone, ["predict", "a\0b"]),
    Scenario("predict: a long path", leave_alone, ["predict", "a" * 300]),
    Scenario("predict: a glob of nothing", leave_alone, ["predict", "images/*.xyz"]),
    Scenario("predict: a broken glob", leave_alone, ["predict", "["]),
    Scenario(
        "predict: an empty folder", lambda: Path("e").mkdir(), ["predict", "e"], 2, "no image"
    ),
    Scenario("predict: no model", leave_alone, ["predict", IMAGE, "--model", "no/model"]),
    Scenario("predict: an empty model", leave_alone, ["predict", IMAGE, "--model", ""]),
    Scenario("predict: a device as model", leave_alone, ["predict", IMAGE, "--model", "/dev/null"]),
    Scenario("predict: a file as model", leave_alone, ["predict", IMAGE, "--model", "params.yaml"]),
    Scenario("predict: a folder as model", leave_alone, ["predict", IMAGE, "--model", "data"]),
    Scenario("predict: beam", leave_alone, ["predict", IMAGE, "--beam"], 0),
    Scenario("predict: a pattern", leave_alone, ["predict", IMAGE, "--pattern", "[a-z]\\d"], 0),
    Scenario(
        "predict: a broken pattern", leave_alone, ["predict", IMAGE, "--pattern", "("], 2, "pattern"
    ),
    Scenario("predict: an empty pattern", leave_alone, ["predict", IMAGE, "--pattern", ""], 0),
    Scenario("serve: no port", leave_alone, ["serve", "--port", "99999"]),
    Scenario("ui: no port", put("dvc.yaml", ""), ["ui", "--port", "99999"], 2, "is no port"),
    Scenario(
        "serve: another machine", leave_alone, ["serve", "--port", "0", "--host", "192.0.2.1"]
    ),
    Scenario("serve: no host", leave_alone, ["serve", "--port", "0", "--host", "no host"]),
    Scenario("serve: no section", drop("serve"), ["serve", "--port", "0"], 2, "serve"),
    Scenario("label: nowhere", leave_alone, ["label", "nowhere"], 2, "no such folder"),
    Scenario("label: an empty folder", lambda: Path("e").mkdir(), ["label", "e"]),
    Scenario("label: memory", leave_alone, ["label", "/proc/self/mem"]),
    Scenario(
        "label: another table", put("o.csv", "a,b\n1,2\n"), ["label", "images", "--out", "o.csv"]
    ),
    Scenario("label: a folder as table", leave_alone, ["label", "images", "--out", "images"]),
    Scenario("label: no model", leave_alone, ["label", "images", "--model", "no/model"]),
    Scenario("lr-find: no data", remove("data/split"), ["lr-find"], 2, "run dvc repro"),
    Scenario(
        "lr-find: damaged backbone", put("data/backbone/weights.safetensors", b""), ["lr-find"]
    ),
    Scenario("lr-find: damaged split", put("data/split/parts.json", b"{"), ["lr-find"]),
    Scenario("export: no model", leave_alone, ["export", "m.onnx", "--model", "no/model"]),
    Scenario("export: a folder as file", leave_alone, ["export", "images"]),
    Scenario("record: no repository", leave_alone, ["record"], 2, "dvc.yaml"),
    Scenario("register: no repository", leave_alone, ["register"], 2, "dvc.yaml"),
    Scenario("compare: no repository", leave_alone, ["compare", "HEAD", "HEAD~1"], 2, "dvc.yaml"),
    Scenario(
        "predict @champion: no repository",
        leave_alone,
        ["predict", IMAGE, "--model", "@champion"],
        2,
        "dvc.yaml",
    ),
    Scenario("ui: no repository", leave_alone, ["ui"], 2, "dvc.yaml"),
    *(
        Scenario(
            f"{words[0]}: an empty dvc.lock", each(put("dvc.yaml", ""), put("dvc.lock", "")), words
        )
        for words in (["register"], ["compare", "workspace", "HEAD"])
    ),
    *(
        Scenario(
            f"{words[0]}: a conflict in dvc.lock",
            each(put("dvc.yaml", ""), put("dvc.lock", "<<<<<<< HEAD\n")),
            words,
        )
        for words in (["register"], ["record"], ["compare", "workspace", "HEAD"])
    ),
)
def test_a_command_ends_well_or_in_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    *(
        Scenario(
            f"{stage}: a file stands where data/{stage} is to be",
            each(remove(f"data/{stage}"), put(f"data/{stage}", b"x")),
            [stage],
            2,
        )
        for stage in ("ingest", "split", "backbone")
    ),
    Scenario("split: more folds than images", params(split={"folds": 500}), ["split"]),
    Scenario(
        "sample: more images than texts", params(sample={"images": 10**6, "length": 1}), ["sample"]
    ),
    Scenario("sample: a slash", params(sample={"characters": "ab/"}), ["sample"]),
    Scenario("train_head: texts too long", params(ingest={"width": 16}), ["ingest"], 0),
    Scenario("train_head: no training images", params(split={"train_images": 0}), ["split"], 0),
)
def test_a_stage_ends_well_or_in_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


ENDLESS = r"(?:\w?|(?!_)){60}_"  # on the shortest text, too


@scenarios(
    Scenario(
        "predict",
        leave_alone,
        ["predict", "images", "--pattern", ENDLESS],
        2,
        "read.pattern: too slow on",
    ),
    Scenario(
        "evaluate",
        params(read={"decoding": "beam", "pattern": ENDLESS}),
        ["evaluate"],
        2,
        "read.pattern: too slow on",
    ),
)
def test_a_pattern_that_never_ends_is_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)
