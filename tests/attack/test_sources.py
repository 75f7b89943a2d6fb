"""The folder or zip of images: what it is, what lies in it, and what its archive claims."""

import os
import zipfile
from pathlib import Path

import pytest

from tests import bombs
from tests.attack.scenario import (
    Arena,
    Attack,
    Scenario,
    each,
    leave_alone,
    link,
    params,
    put,
    scenarios,
)
from tests.hostile import pack, png

pytestmark = pytest.mark.slow

NOT_SOURCES = {
    "nowhere": "no such folder or zip",
    ".": "holds the pipeline's own outputs",
    "..": "holds the pipeline's own outputs",
    "/": "holds the pipeline's own outputs",
    "data": "holds the pipeline's own outputs",
    "data/ingest": "holds the pipeline's own outputs",
    "images/..": "holds the pipeline's own outputs",
    "s3://bucket/../images": "no s3://bucket/...",
    "s3://": "no s3://bucket/...",
    "file:///etc": "no s3://bucket/...",
    "https://example.org/a.zip": "download the images",
    "/dev/null": "neither a folder nor a zip",
    "/dev/zero": "neither a folder nor a zip",
    "/dev": "take it out",
    "/proc": "neither a folder nor a zip",
    "/proc/self/mem": "neither a folder nor a zip",
    "/proc/kmsg": "neither a folder nor a zip",
    "/sys/kernel": "neither a folder nor a zip",
    "params.yaml": "neither a folder nor a zip",
    "images/a1.png": "neither a folder nor a zip",
    "~": "no such folder or zip",
    "`touch pwned`": "no such folder or zip",
    "$(touch pwned)": "no such folder or zip",
    "a\0b": "control or undecodable characters",
    "a" * 300: "too long",
}

OBSTACLES: dict[str, tuple[Attack, str]] = {
    "a pipe": (lambda: os.mkfifo("images/x.png"), "a pipe, socket or device"),
    "a link to a device": (link("images/x.png", "/dev/zero"), "a pipe, socket or device"),
    "a link to memory": (link("images/x.png", "/proc/self/mem"), "a pipe, socket or device"),
    "a link to the kernel's log": (link("images/x.png", "/proc/kmsg"), "a pipe, socket or device"),
    "a dangling link": (link("images/x.png", "nowhere"), "a link to nowhere"),
    "a loop of links": (link("images/x.png", "x.png"), "a link to nowhere"),
    "an undecodable name": (
        lambda: Path("images", os.fsdecode(b"x\xff.png")).write_bytes(png(0)),
        "its name is not UTF-8",
    ),
}

BOMBS = {
    "an empty file": b"",
    "a text": b"hello",
    "200 scans": bombs.scan_jpeg(200),
    "50,000 segments": bombs.segment_jpeg(50_000),
    "50,000 chunks": bombs.chunk_png(50_000),
    "a large tile": bombs.tile_tiff(30_000),
    "a large tile, big-endian": bombs.tile_tiff(30_000, ">"),
    "a large tile in a BigTIFF": bombs.tile_tiff(30_000, big=True),
    "six million runs": bombs.run_length_bmp(1800),
    "half a PNG": png(0)[:60],
}

ODD_NAMES = [
    "'; rm -rf images;'1.png",
    "<script>1.png",
    "=1+1.png",
    "{{7*7}}1.png",
    "\u202eab1.png",
]

LENIENT = params(ingest={"max_rejected": 1.0})
STRICT = params(ingest={"max_rejected": 0.0})
FROM_ZIP = params(ingest={"source": "z.zip"})


def packed(**options: object) -> Attack:
    """The source as a zip of good images."""

    def attack() -> None:
        files = {path.name: path.read_bytes() for path in Path("images").iterdir()}
        pack(Path("z.zip"), files, **options)

    return each(attack, FROM_ZIP)


def more(name: str, data: bytes) -> Attack:
    """Another entry of the zip."""

    def attack() -> None:
        with zipfile.ZipFile("z.zip", "a") as archive:
            archive.writestr(name, data)

    return attack


def cut(share: float) -> Attack:
    def attack() -> None:
        data = Path("z.zip").read_bytes()
        Path("z.zip").write_bytes(data[: int(share * len(data))])

    return attack


@scenarios(
    Scenario(f"check {source!r:.30}", params(ingest={"source": source}), ["check"], 2, says)
    for source, says in NOT_SOURCES.items()
)
def test_what_is_no_source_is_said_before_dvc_reads_it(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)
    assert not Path("pwned").exists()


@scenarios(
    Scenario(f"ingest {source!r:.30}", params(ingest={"source": source}), ["ingest"])
    for source in NOT_SOURCES
    if source not in (".", "..", "/", "images/..", "/dev", "/proc", "/sys/kernel")  # check's alone
)
def test_what_is_no_source_is_said_by_ingest_too(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario(f"check: {name}", attack, ["check"], 2, says)
    for name, (attack, says) in OBSTACLES.items()
)
def test_check_names_what_dvc_would_trip_over(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario(f"{kind}: {name}", each(attack, setting), ["ingest"], code)
    for name, (attack, _) in OBSTACLES.items()
    for kind, setting, code in (("lenient", LENIENT, 0), ("strict", STRICT, 2))
)
def test_ingest_rejects_what_it_cannot_read(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario(f"{kind}: {name}", each(put("images/zz9.png", data), setting), ["ingest"], code)
    for name, data in BOMBS.items()
    for kind, setting, code in (("lenient", LENIENT, 0), ("strict", STRICT, 2))
)
def test_a_bomb_is_a_reject(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    [
        Scenario(f"name {name!r}", each(put(f"images/{name}", png(99)), LENIENT), ["ingest"], 0)
        for name in ODD_NAMES
    ],
    Scenario("a comment of 10 MB", put("images/e9.png", bombs.text_png(10**7)), ["ingest"], 0),
    Scenario(
        "a pattern that never ends",
        each(
            put(f"images/{'a' * 60}!.png", png(99)),
            params(ingest={"name_pattern": "(?P<text>(a+)+)"}),
        ),
        ["ingest"],
        2,
        "ingest.name_pattern: too slow",
    ),
    Scenario(
        "a pattern that matches nothing",
        params(ingest={"name_pattern": "(?P<text>Q)"}),
        ["ingest"],
        2,
        "none of its 36 files can be used",
    ),
    Scenario("one file allowed", params(ingest={"max_files": 1}), ["ingest"], 2, "max_files"),
    Scenario("one byte a file", params(ingest={"max_file_bytes": 1}), ["ingest"], 2, "bytes"),
    Scenario("one byte in all", params(ingest={"max_total_bytes": 1}), ["ingest"], 2, "max_total"),
    Scenario("one pixel", params(ingest={"max_image_pixels": 1}), ["ingest"], 2, "max_image_pix"),
)
def test_a_folder_is_taken_or_refused_in_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario("good", packed(), ["ingest"], 0),
    Scenario("check", packed(), ["check"], 0),
    Scenario("an outside path", each(packed(), more("../x1.png", png(9)), STRICT), ["ingest"]),
    Scenario("an absolute path", each(packed(), more("/x1.png", png(9)), STRICT), ["ingest"]),
    Scenario("a zip inside", each(packed(), more("b.zip", b"PK"), STRICT), ["ingest"]),
    Scenario(
        "zeros", each(packed(compression=8), more("x1.png", bytes(10**7)), STRICT), ["ingest"]
    ),
    Scenario("LZMA", packed(compression=zipfile.ZIP_LZMA), ["ingest"]),
    Scenario("cut in half", each(packed(), cut(0.5)), ["ingest"]),
    Scenario("its end cut off", each(packed(), cut(0.99)), ["ingest"]),
    Scenario("check: cut in half", each(packed(), cut(0.5)), ["check"]),
    Scenario("empty file", each(put("z.zip", b""), FROM_ZIP), ["ingest"]),
    Scenario("no entries", each(put("z.zip", b"PK\5\6" + bytes(18)), FROM_ZIP), ["ingest"]),
    Scenario("a folder called so", each(lambda: Path("z.zip").mkdir(), FROM_ZIP), ["ingest"]),
    Scenario(
        "overlapping entries",
        each(put("z.zip", bombs.overlapping_zip(500, png(0))), FROM_ZIP),
        ["ingest"],
    ),
    Scenario("too many entries", each(packed(), params(ingest={"max_files": 3})), ["ingest"]),
)
def test_a_zip_is_taken_or_refused_in_a_line(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)


@scenarios(
    Scenario("nowhere", leave_alone, ["adopt", "nowhere", "--dry-run"], 2, "no such folder"),
    Scenario("nothing named", leave_alone, ["adopt", "", "--dry-run"]),
    Scenario("the whole repository", leave_alone, ["adopt", ".", "--dry-run"]),
    Scenario("its outputs", leave_alone, ["adopt", "data", "--dry-run"]),
    Scenario("a file", leave_alone, ["adopt", "params.yaml", "--dry-run"]),
    Scenario("an image", leave_alone, ["adopt", "images/a1.png", "--dry-run"]),
    Scenario("a device", leave_alone, ["adopt", "/dev/zero", "--dry-run"]),
    Scenario("memory", leave_alone, ["adopt", "/proc/self/mem", "--dry-run"]),
    Scenario("a pipe", lambda: os.mkfifo("p"), ["adopt", "p", "--dry-run"]),
    Scenario("an address", leave_alone, ["adopt", "https://example.org/a.zip", "--dry-run"]),
    Scenario("no images", lambda: Path("e").mkdir(), ["adopt", "e", "--dry-run"], 2, "no images"),
    Scenario("a pipe among images", OBSTACLES["a pipe"][0], ["adopt", "images", "--dry-run"]),
    Scenario("rubbish", put("r/a1.png", b"rubbish"), ["adopt", "r", "--dry-run"]),
    Scenario("a long path", leave_alone, ["adopt", "a" * 300, "--dry-run"]),
    Scenario("a zero byte", leave_alone, ["adopt", "a\0b", "--dry-run"]),
    Scenario("a table of nothing", put("t.csv", ""), ["adopt", "t.csv", "--dry-run"]),
    Scenario("a table of others", put("t/t.csv", "a,b\n1,2"), ["adopt", "t/t.csv", "--dry-run"]),
    Scenario(
        "binary table", put("images/t.csv", b"\xff\0"), ["adopt", "images/t.csv", "--dry-run"]
    ),
    Scenario(
        "deep JSON lines",
        put("images/t.jsonl", "[" * 9999),
        ["adopt", "images/t.jsonl", "--dry-run"],
    ),
    Scenario("good", leave_alone, ["adopt", "images", "--dry-run"], 0),
)
def test_adopt_refuses_in_a_line_and_writes_nothing(arena: Arena, scenario: Scenario) -> None:
    arena.play(scenario)
