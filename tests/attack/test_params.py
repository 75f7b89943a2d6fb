"""params.yaml, damaged as a whole or wrong in a key: `check` says so, and so does each stage."""

from pathlib import Path
from typing import Any

import pytest

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

FILE = "params.yaml"
LAUGHS = "\n".join(
    ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
)
WHOLE_FILES: list[tuple[str, Attack, str]] = [
    ("gone", remove(FILE), "no such file; run from the repository root"),
    ("empty", put(FILE, b""), "holds no sections"),
    ("a list", put(FILE, b"- a"), "holds no sections"),
    ("a word", put(FILE, b"sample"), "holds no sections"),
    ("no text", put(FILE, b"\xff\x80\0\x80"), "not readable as YAML"),
    ("a zero byte", put(FILE, b"a: \0"), "not readable as YAML"),
    ("nested too deep", put(FILE, b"[" * 5000), "nested too deep"),
    ("nested too deep in flow maps", put(FILE, b"{a: " * 5000), "nested too deep"),
    ("a merge conflict", put(FILE, b"<<<<<<< HEAD\na: 1\n=======\nb: 2\n"), "YAML"),
    ("a number of 5,000 digits", put(FILE, b"a: " + b"9" * 5000), "not readable as YAML"),
    ("a tab", put(FILE, b"a:\n\tb: 1"), "not readable as YAML"),
    ("a tag that would run code", put(FILE, b"a: !!python/object:os.system x"), "YAML"),
    ("a key twice", put(FILE, b"sample: {}\nsample: {}\n"), "not readable as YAML"),
    ("an unknown alias", put(FILE, b"a: *b"), "not readable as YAML"),
    ("two documents", put(FILE, b"a: 1\n---\nb: 2\n"), "not readable as YAML"),
    ("a wrong date", put(FILE, b"a: 2020-99-99"), "not readable as YAML"),
    ("aliases of aliases", put(FILE, LAUGHS), "a0: unknown key"),
]

BAD_VALUES: list[tuple[str, str, Any]] = [
    ("sample", "images", 0),
    ("sample", "images", "many"),
    ("sample", "images", 1e30),
    ("sample", "length", -1),
    ("sample", "characters", ""),
    ("sample", "seed", -1),
    ("sample", "seed", 2**64),
    ("ingest", "source", ""),
    ("ingest", "source", None),
    ("ingest", "source", ["a"]),
    ("ingest", "name_pattern", "("),
    ("ingest", "name_pattern", "no group"),
    ("ingest", "name_pattern", "(?P<text>a){99999999999}"),
    ("ingest", "label_columns", ["file"]),
    ("ingest", "labels", ""),
    ("ingest", "corrections", None),
    ("ingest", "case", "Upper"),
    ("ingest", "height", 0),
    ("ingest", "height", 10**9),
    ("ingest", "width", "wide"),
    ("ingest", "color", "blue"),
    ("ingest", "max_rejected", 1.5),
    ("ingest", "max_rejected", float("nan")),
    ("ingest", "max_files", 0),
    ("ingest", "max_file_bytes", -1),
    ("ingest", "max_total_bytes", "1GB"),
    ("ingest", "max_compression_ratio", 0.5),
    ("ingest", "max_image_pixels", 10**12),
    ("split", "validation", 0),
    ("split", "validation", float("nan")),
    ("split", "folds", 1),
    ("split", "fold", 1),
    ("split", "train_images", -1),
    ("split", "method", "fair"),
    ("backbone", "source", "elsewhere"),
    ("backbone", "output_stride", 7),
    ("backbone", "dropped_stages", 3),
    ("backbone", "file", None),
    ("backbone", "batch_size", 1),
    ("backbone", "learning_rate", float("inf")),
    ("train_head", "head", "attention"),
    ("train_head", "epochs", -1),
    ("train_head", "batch_size", 0),
    ("train_head", "learning_rate", 0),
    ("train_head", "weight_decay", float("nan")),
    ("fine_tune", "epochs", "some"),
    ("fine_tune", "learning_rates", [0.1]),
    ("fine_tune", "ema_decay", 1),
    ("fine_tune", "threshold", 1.5),
    ("evaluate", "threshold", 0),
    ("evaluate", "resamples", 1),
    ("evaluate", "evidence_images", -1),
    ("top_losses", "images", -1),
    ("read", "decoding", "guess"),
    ("read", "pattern", "("),
    ("read", "pattern", "a"),  # greedy decoding cannot look for one
    ("serve", "max_images", 0),
    ("serve", "max_seconds", float("inf")),
    ("train_head", "shards", 0),
    ("fine_tune", "shards", -1),
    ("compute", "workers", 0),
    ("compute", "threads", 100_000),
    ("compute", "device", "tpu"),
    ("compute", "precision", "int4"),
    ("compute", "deterministic", "maybe"),
    ("compute", "save_every_seconds", -1),
]


def drop(section: str) -> Attack:
    def attack() -> None:
        lines = Path(FILE).read_text().splitlines(keepends=True)
        start = lines.index(f"{section}:\n")
        end = next((n for n in range(start + 1, len(lines)) if lines[n][0] != " "), len(lines))
        Path(FILE).write_text("".join(lines[:start] + lines[end:]))

    return attack


@scenarios(
    [Scenario(f"check: {name}", attack, ["check"], 2, says) for name, attack, says in WHOLE_FILES],
    Scenario("check: a folder", each(remove(FILE), lambda: Path(FILE).mkdir()), ["check"], 2, FILE),
)
def test_a_damaged_file_is_said_by_check(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario(f"{stage}: {name}", attack, [stage], 2, FILE)
    for stage in STAGE_PATHS
    for name, attack, _ in (WHOLE_FILES[0], WHOLE_FILES[4], WHOLE_FILES[8])
)
def test_a_damaged_file_is_said_by_each_stage(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario(
        f"{section}.{key} is {value!r:.30}",
        params(**{section: {key: value}}),
        ["check"],
        2,
        f"params.yaml: {section}",
    )
    for section, key, value in BAD_VALUES
)
def test_a_wrong_value_is_named(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    [
        Scenario(f"no section {name}", drop(name), ["check"], 2, f"{name}: missing")
        for name in [*STAGE_PATHS, "read", "serve", "compute"]
    ],
    Scenario("an unknown section", params(misspelt={}), ["check"], 2, "misspelt: unknown key"),
    Scenario("an unknown key", params(split={"sed": 1}), ["check"], 2, "split.sed: unknown key"),
)
def test_a_section_too_many_or_too_few_is_named(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)
