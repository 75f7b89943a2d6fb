"""Tables that people write: labels.csv, its JSON lines, corrections.csv."""

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

pytestmark = pytest.mark.slow

BROKEN: dict[str, bytes] = {
    "binary": b"\xff\xfe\0\x80\n\0",
    "a header of one word": b"hello\na\n",
    "other columns": b"a,b\n1,2\n",
    "too many cells": b"file,text,why\na1.png,b1,w,x,y\n",
    "an open quote": b'file,text,why\n"a1.png,b1',
    "a huge cell": b"file,text,why\na1.png," + b"x" * 200_000 + b",\n",
    "a zero byte": b"file,text,why\na1.png,\0,\n",
    "a merge conflict": b"<<<<<<< HEAD\nfile,text,why\n",
}
CORRECTIONS: dict[str, bytes] = {
    "no file": b"file,text,why\n,b1,\n",
    "no text": b"file,text,why\na1.png,,\n",
    "a blank in a text": b"file,text,why\na1.png,b 1,\n",
    "an unknown file": b"file,text,why\nzz.png,b1,\n",
    "an outside file": b"file,text,why\n../a1.png,b1,\n",
    "a file twice": b"file,text,why\na1.png,b1,\na1.png,b1,\n",
}
LINES: dict[str, bytes] = {
    "no JSON": b"hello\n",
    "nested too deep": b"[" * 50_000 + b"\n",
    "a list": b'["a1.png", "b1"]\n',
    "cut off": b'{"file": "a1.png", "text": "b1"\n',
    "other keys": b'{"a": 1}\n',
    "a text that is a list": b'{"file": "a1.png", "text": ["b"]}\n',
    "5,000 digits": b'{"file": "a1.png", "text": ' + b"9" * 5000 + b"}\n",
    "binary": b"\xff\0\n",
}


def table(key: str, path: str, content: bytes) -> Attack:
    return each(put(path, content), params(ingest={key: path}))


@scenarios(
    (
        Scenario(f"{key}: {name}", table(key, f"{key}.csv", content), ["ingest"], 2, f"{key}.csv")
        for key in ("labels", "corrections")
        for name, content in BROKEN.items()
    ),
    (
        Scenario(name, table("corrections", "corrections.csv", content), ["ingest"], 2, ".csv")
        for name, content in CORRECTIONS.items()
    ),
    (
        Scenario(f"lines: {name}", table("labels", "l.jsonl", content), ["ingest"], 2, "l.jsonl")
        for name, content in LINES.items()
    ),
)
def test_a_table_that_is_wrong_is_named(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario(f"{command}: {key} is {what}", each(attack, params(ingest={key: path})), [command])
    for command in ("check", "ingest")
    for key in ("labels", "corrections")
    for what, path, attack in (
        ("not there", "no.csv", leave_alone),
        ("a folder", "images", leave_alone),
        ("a link to nowhere", "l.csv", link("l.csv", "nowhere")),
        ("a device", "/dev/zero", leave_alone),
        ("memory", "/proc/self/mem", leave_alone),
    )
    if (command, what) != ("check", "memory")  # DVC says that it cannot read it
)
def test_a_table_that_is_no_file_is_said(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario("an empty table", put("labels.csv", ""), ["ingest"], 0),
    Scenario("a formula", put("corrections.csv", "file,text,why\na1.png,'=1+1,\n"), ["ingest"], 0),
    Scenario("all dropped but one", put("labels.csv", "file,text\na1.png,zq\n"), ["ingest"]),
    Scenario("semicolons", put("corrections.csv", "file;text;why\na1.png;b1;w\n"), ["ingest"], 0),
    Scenario("doubtful", leave_alone, ["doubtful", "--folds", "2", "--out", "new.csv"], 0),
    Scenario("doubtful: no data", remove("data/ingest"), ["doubtful"], 2, "run dvc repro"),
    Scenario("doubtful: no backbone", remove("data/backbone"), ["doubtful"], 2, "run dvc repro"),
    Scenario("doubtful: more folds than images", leave_alone, ["doubtful", "--folds", "999"]),
    Scenario("doubtful: broken corrections", put("corrections.csv", b"a,b\n1,2\n"), ["doubtful"]),
    Scenario("doubtful: out is a folder", leave_alone, ["doubtful", "--out", "images"]),
)
def test_rows_are_taken_or_refused_in_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)
