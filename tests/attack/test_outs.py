"""Output paths: files of another kind, devices, links, places where nothing can be written."""

import os
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.attack.scenario import (
    Arena,
    Attack,
    Scenario,
    each,
    leave_alone,
    link,
    list_files,
    put,
    run,
    scenarios,
)
from tests.hostile import png

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # torch's exporter's own

LOCK = put("dvc.lock", "schema: '2.0'\nstages: {}\n")
WRITERS = {  # the words before the path, and its ending
    "predict": (["predict", "images", "--out"], ".parquet"),
    "export": (["export"], ".onnx"),
    "compare": (["compare", "workspace", "workspace", "--page"], ".html"),
    "lr-find": (["lr-find", "--plot"], ".png"),
    "doubtful": (["doubtful", "--folds", "2", "--out"], ".csv"),
    "label": (["label", "images", "--out"], ".csv"),
    "adopt": (["adopt", "images", "--dry-run", "--contact-sheet"], ".png"),
}
FAST = ("predict", "compare", "adopt")  # and write at once


@scenarios(
    Scenario(f"{command}: {path}", LOCK, [*words, path], 2, f"name a {ending}")
    for command, (words, ending) in WRITERS.items()
    for path in ("params.yaml", "images/a1", "dvc.lock", "x.parquet.part")
)
def test_a_file_of_another_kind_is_not_replaced(arena: Arena, scenario: Scenario) -> None:
    """`predict --out a.png b.png` wrote answers over a.png."""
    arena.play(scenario)


def images() -> None:
    for seed, name in enumerate(("a1", "b2", "c3", "d4")):
        put(f"mine/{name}.png", png(seed))()


def folder(path: str) -> Attack:
    return lambda: Path(path).mkdir()


def places(ending: str) -> dict[str, tuple[str, Attack]]:
    """Where nothing can be written, by a path of that ending."""
    out = f"out{ending}"
    return {
        "a folder": (out, folder(out)),
        "a pipe": (out, lambda: os.mkfifo(out)),
        "a link to a device": (out, link(out, "/dev/null")),
        "a link to a folder": (out, link(out, "images")),
        "a long name": ("x" * 300 + ending, leave_alone),
    }


@scenarios(
    Scenario(f"{command}: {place}", each(LOCK, attack), [*words, path], 2)
    for command, (words, ending) in WRITERS.items()
    for place, (path, attack) in places(ending).items()
)
def test_a_place_that_cannot_be_written_is_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario(f"{command}: below a file", LOCK, [*words, f"params.yaml/x{ending}"], 1)
    for command, (words, ending) in WRITERS.items()
    if command != "label"  # which writes later
)
def test_a_place_below_a_file_is_the_systems_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    *(
        Scenario(f"{command}: {name}", each(LOCK, attack), [*words, path], 0)
        for command, (words, ending) in WRITERS.items()
        if command in FAST
        for name, path, attack in (
            ("a new file", f"out{ending}", leave_alone),
            ("in capitals", f"OUT{ending.upper()}", leave_alone),
            ("a new folder", f"new/er/out{ending}", leave_alone),
            ("a file that is there", f"out{ending}", put(f"out{ending}", b"earlier")),
            ("a link", f"out{ending}", each(put("real", b""), link(f"out{ending}", "real"))),
            ("a link to nowhere", f"out{ending}", link(f"out{ending}", "real/later")),
        )
    ),
    Scenario(
        "export: a link", each(put("real", b""), link("m.onnx", "real")), ["export", "m.onnx"], 0
    ),
)
def test_what_is_written_is_whole_and_a_link_stays(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)
    path = Path(scenario.words[-1])
    assert path.stat().st_size > 10
    assert path.is_symlink() == ("link" in scenario.name)


@pytest.mark.parametrize("model", ["data/fine_tune/model", "no/model"])
@pytest.mark.parametrize("out", ["out.parquet", "new/out.parquet", "earlier.parquet"])
def test_where_there_is_no_answer_no_parquet_file_is_left(
    arena: Arena, out: str, model: str
) -> None:
    each(put("e/a.png", b"no image"), put("earlier.parquet", b"earlier"))()
    before = list_files(arena.root)
    assert run(["predict", "e", "--model", model, "--out", out]) == 2
    assert list_files(arena.root) == before


ODD_NAMES = ["a,b.png", "a\nb.png", '"a".png', "=1+1.png", "ß.png", os.fsdecode(b"\xff.png")]


@scenarios(
    Scenario(
        f"{name!r}",
        each(put(f"odd/{name}", png(0)), put("odd/z.png", b"no image")),
        ["predict", "odd", "--out", "out.parquet"],
        1,
        "z.png: no PNG",
    )
    for name in ODD_NAMES
)
def test_every_name_has_its_row(arena: Arena, scenario: Scenario) -> None:
    """One file of two cannot be used, and the answer about the other is there."""
    scenario.attack()
    assert run(scenario.words) == scenario.code
    rows = pyarrow.parquet.read_table("out.parquet").to_pylist()
    assert sorted(row["error"] is None for row in rows) == [False, True]


def kept_elsewhere(path: str) -> Attack:
    """The file lies in another folder, and a link to it here."""

    def attack() -> None:
        Path("elsewhere").mkdir(exist_ok=True)
        Path(path).rename(f"elsewhere/{path}")
        Path(path).symlink_to(f"elsewhere/{path}")

    return attack


@scenarios(
    Scenario(
        "adopt: params.yaml", each(kept_elsewhere("params.yaml"), images), ["adopt", "mine"], 0
    ),
)
def test_a_file_that_is_kept_elsewhere_is_changed_there(arena: Arena, scenario: Scenario) -> None:
    path = Path(scenario.name.split()[1])
    before = path.read_bytes()
    arena.play(scenario)
    assert path.is_symlink()
    assert Path("elsewhere", path).read_bytes() != before
