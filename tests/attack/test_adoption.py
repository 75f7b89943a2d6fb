"""Folders, zips and tables of every making, which adopt takes or refuses before they are used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attack.scenario import (
    Arena,
    Attack,
    Scenario,
    each,
    link,
    put,
    remove,
    scenarios,
)
from tests.hostile import pack, png

pytestmark = pytest.mark.slow

NAMES = [f"{a}{b}.png" for a in "abc" for b in "123"]
LOOK = ["adopt", "mine", "--dry-run"]


def images(folder: str = "mine", names: list[str] = NAMES) -> Attack:
    def attack() -> None:
        for seed, name in enumerate(names):
            put(f"{folder}/{name}", png(seed))()

    return attack


def zipped(inner: str = "", more: dict[str, bytes] | None = None) -> Attack:
    files = {f"{inner}{name}": png(seed) for seed, name in enumerate(NAMES)}
    return lambda: pack(Path("mine.zip"), {**files, **(more or {})})


def table(header: str = "file,text", separator: str = ",", end: str = "\n") -> str:
    lines = [header.replace(",", separator), *(f"{n}{separator}{n[:2]}" for n in NAMES)]
    return end.join(lines) + end


def lines(*rows: dict[str, object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


ROWS: list[dict[str, object]] = [{"file": name, "text": name[:2]} for name in NAMES]

GOOD_TABLES: dict[str, tuple[str, str]] = {
    "commas": ("t.csv", table()),
    "a byte order mark": ("t.csv", "\ufeff" + table()),
    "semicolons": ("t.csv", table(separator=";")),
    "tabs": ("t.tsv", table(separator="\t")),
    "carriage returns": ("t.csv", table(end="\r")),
    "both line ends": ("t.csv", table(end="\r\n")),
    "capital columns": ("t.CSV", table("FILE,TEXT")),
    "blanks around columns": ("t.csv", table(" file , text ")),
    "Kaggle's columns": ("t.csv", table("Id,Label")),
    "columns without a name": ("t.csv", table("file,text,,")),
    "JSON lines": ("t.jsonl", lines(*ROWS)),
    "JSON lines in part": ("t.jsonl", lines(*ROWS[:6], *({**r, "text": None} for r in ROWS[6:]))),
    "JSON lines, the first without a text": (
        "t.jsonl",
        lines({**ROWS[0], "text": None}, *ROWS[1:]),
    ),
    "numbers as texts": ("t.jsonl", lines(*({**r, "text": n} for n, r in enumerate(ROWS)))),
}
BAD_TABLES: dict[str, tuple[str, str | bytes, str]] = {
    "UTF-16": ("t.csv", table().encode("utf-16"), "save it as UTF-8"),
    "Latin-1": ("t.csv", b"file,text\na1.png,\xe9\n", "save it as UTF-8"),
    "nothing": ("t.csv", b"", "gives none of the 9 images a text"),
    "no rows": ("t.csv", "file,text\n", "gives none of the 9 images a text"),
    "rows of others": ("t.csv", "file,text\nz.png,z\n", "gives none of the 9 images a text"),
    "paths outside": ("t.csv", "file,text\n../../z.png,z\n/etc/passwd,x\n", "gives none of the 9"),
    "other columns": ("t.csv", "path,caption\na1.png,a1\n", "has the columns path, caption"),
    "one column": ("t.csv", "file\na1.png\n", "has the columns file"),
    "bars": ("t.csv", table(separator="|"), "has the columns file|text"),
    "a column twice": ("t.csv", "file,file,text\na1.png,x,a1\n", "two columns are called 'file'"),
    "an open quote": ("t.csv", 'file,text\n"' + table()[10:], "not readable as CSV"),
    "a cell too many": ("t.csv", "file,text\na1.png,a1,x\n", "quote the commas"),
    "a huge cell": ("t.csv", f"file,text\na1.png,{'x' * 200_000}\n", "not readable as CSV"),
    "a zero byte": ("t.csv", "file,text\na1.png,a\0\n", "an invisible character"),
    "two texts": ("t.csv", "file,text\na1.png,a\na1.png,b\n", "none of the 9 images"),
    "JSON of nothing": ("t.jsonl", lines(*({**r, "text": None} for r in ROWS)), "none of the 9"),
    "JSON of truths": ("t.jsonl", lines(*({**r, "text": True} for r in ROWS)), "has the columns"),
    "JSON that nests": ("t.jsonl", "[" * 9999, "not a line of JSON"),
    "half a character": ("t.jsonl", '{"file": "a1.png", "text": "\\ud800"}\n', "invisible"),
    "an image": ("t.csv", png(0), "save it as UTF-8"),
}


@scenarios(
    Scenario(f"{name}, {where}", each(images(), put(place, content)), [*words, "--dry-run"], 0)
    for name, (file, content) in GOOD_TABLES.items()
    for where, place, words in (
        ("in the folder", f"mine/{file}", ["adopt", "mine"]),
        ("named", f"mine/{file}", ["adopt", f"mine/{file}"]),
        ("elsewhere", file, ["adopt", "mine", "--labels", file]),
    )
)
def test_a_table_is_taken(arena: Arena, scenario: Scenario) -> None:
    assert "texts      by the columns" in arena.play(scenario)


@scenarios(
    Scenario(f"{name}, {where}", each(images(), put(place, content)), words, 2, says)
    for name, (file, content, says) in BAD_TABLES.items()
    for where, place, words in (
        ("named", f"mine/{file}", ["adopt", f"mine/{file}"]),
        ("elsewhere", file, ["adopt", "mine", "--labels", file]),
    )
)
def test_a_table_is_refused_in_a_line_that_names_it(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario("nested", images("mine", [f"d{n}/e/{n}" for n in NAMES]), LOOK, 0),
    Scenario("running numbers", images("mine", [f"{n}.png" for n in range(30)]), LOOK, 0),
    Scenario(
        "numbers of 200 digits", images("mine", [f"{'9' * 200}{n}.png" for n in range(9)]), LOOK, 0
    ),
    Scenario(
        "digits of another script",
        images("mine", ["\u0661\u0662.png", "\u0663\u0664.png"]),
        LOOK,
        0,
    ),
    Scenario("letters without a case", images("mine", ["שלום.png", "ab.png"]), LOOK, 0),
    Scenario(
        "letters whose case is longer", images("mine", ["aß1.png", "SSx.png", "İi.png"]), LOOK, 0
    ),
    Scenario("one label", images("mine", ["aa.png", "aaa.png"]), LOOK, 2, "the only label"),
    Scenario("names without a stem", images("mine", [".png"]), LOOK, 2, "holds no images"),
    Scenario("a name of two lines", images("mine", ["a\nb.png", *NAMES]), LOOK, 2, "1 of 10 files"),
    Scenario("a folder of two lines", images("mi\nne"), ["adopt", "mi\nne"], 2, "rename it"),
    Scenario(
        "a folder that no text can name",
        images(os.fsdecode(b"mine\xff")),
        ["adopt", os.fsdecode(b"mine\xff")],
        2,
        "rename it",
    ),
    Scenario(
        "a link to a folder", each(images(), link("l", "mine")), ["adopt", "l", "--dry-run"], 0
    ),
    Scenario("a link to everything", link("l", "/"), ["adopt", "l"], 2, "own outputs"),
    Scenario("everything", images(), ["adopt", "/"], 2, "own outputs"),
    Scenario("the folder above", images(), ["adopt", ".."], 2, "own outputs"),
    Scenario(
        "a table above all folders", put("t.csv", table()), ["adopt", "t.csv"], 2, "own outputs"
    ),
    Scenario("a zip", zipped(), ["adopt", "mine.zip", "--dry-run"], 0),
    Scenario("a zip of a folder", zipped("a/b/"), ["adopt", "mine.zip", "--dry-run"], 0),
    Scenario("a zip that holds its table", zipped(more={"t.csv": b"x"}), ["adopt", "mine.zip"]),
    Scenario(
        "a zip called a table",
        each(zipped(), lambda: Path("mine.zip").rename("t.csv")),
        ["adopt", "t.csv"],
    ),
    Scenario("labels: a folder", images(), [*LOOK, "--labels", "images"]),
    Scenario("labels: nowhere", images(), [*LOOK, "--labels", "no.csv"], 2, "no such"),
    Scenario("labels: a device", images(), [*LOOK, "--labels", "/dev/zero"]),
    Scenario("labels: memory", images(), [*LOOK, "--labels", "/proc/self/mem"]),
    Scenario(
        "labels: a pipe", each(images(), lambda: os.mkfifo("p.csv")), [*LOOK, "--labels", "p.csv"]
    ),
    Scenario("labels: the params", images(), [*LOOK, "--labels", "params.yaml"], 2, "params.yaml"),
    Scenario("labels: no name", images(), [*LOOK, "--labels", ""]),
    Scenario("sheet: no picture", images(), [*LOOK, "--contact-sheet", "x.txt"], 2, "name a .png"),
    Scenario(
        "sheet: a folder",
        each(images(), lambda: Path("d.png").mkdir()),
        [*LOOK, "--contact-sheet", "d.png"],
    ),
    Scenario("sheet: below a file", images(), [*LOOK, "--contact-sheet", "params.yaml/x.png"], 1),
    Scenario("sheet: a long name", images(), [*LOOK, "--contact-sheet", "x" * 300 + ".png"]),
    Scenario(
        "our table is rubbish", each(images(), put("labels.csv", b"\xff\0")), LOOK, 2, "labels.csv"
    ),
    Scenario("our table is gone", each(images(), remove("labels.csv")), LOOK, 2, "labels.csv"),
    Scenario(
        "our table is a folder",
        each(images(), remove("labels.csv"), lambda: Path("labels.csv").mkdir()),
        LOOK,
        2,
        "labels.csv",
    ),
    Scenario(
        "our table is of others",
        each(images(), put("labels.csv", "file,text\nz.png,z\n")),
        LOOK,
        2,
        "another set",
    ),
    Scenario(
        "our corrections are of others",
        each(images(), put("corrections.csv", "file,text,why\nz.png,z,\n")),
        LOOK,
        2,
        "corrections.csv",
    ),
    Scenario("no params", each(images(), remove("params.yaml")), LOOK, 2, "params.yaml"),
    Scenario(
        "params of something else",
        each(images(), put("params.yaml", "a: 1")),
        LOOK,
        2,
        "params.yaml",
    ),
)
def test_a_source_is_taken_or_refused_in_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


def in_git() -> None:
    """Let Git and DVC know the repository."""
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(words, check=True)
    subprocess.run(["git", "add", "params.yaml"], check=True)
    subprocess.run(["git", *who, "commit", "-qm", "start"], check=True)


def add_to_git() -> None:
    subprocess.run(["git", "add", "mine"], check=True)


@scenarios(
    *(
        Scenario(f"a folder called {name}", each(in_git, images(name)), ["adopt", "--", name], 0)
        for name in ("-m", "${x}", "m*[a]?", "m: #x", "m'\"`$x", "mé€ 100%")
    ),
    Scenario("tracked by Git", each(in_git, images(), add_to_git), ["adopt", "mine"], 0),
    Scenario("no repository", images(), ["adopt", "mine"], 0),
)
def test_what_is_taken_is_tracked(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)
