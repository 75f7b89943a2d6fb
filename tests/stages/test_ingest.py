import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json, read_table
from captcha_tagger.data.manifest import iterate_manifest, read_manifest
from captcha_tagger.data.pixels import open_pixels
from captcha_tagger.ingest import ingest as intake
from captcha_tagger.ingest.summary import summarize, write_summary
from captcha_tagger.params import load_params
from captcha_tagger.source.decoding import decode
from tests.hostile import TEXTS, draw, encode, fill_folder, pack, png
from tests.repository import PARAMS_FILE, ROOT

REAL_IMAGES = Path(
    os.environ.get("CAPTCHA_IMAGES", ROOT.parent / "shared/data/captcha-version-2-images")
)
PARAMS = load_params(PARAMS_FILE).ingest.model_copy(update={"height": 20, "width": 40})


def ingest(source, out, **keys):
    out.mkdir(parents=True)
    return intake.ingest(source, PARAMS.model_copy(update=keys), out)


def rejects(out):
    return {row["file"]: row["reason"] for row in read_table(out / "rejects.csv")}


def run_stage(folder, source, keys=None, compute=None, **environment):
    yaml = YAML()
    params = yaml.load(PARAMS_FILE)
    params["ingest"]["source"] = source
    params["ingest"].update(keys or {})
    params["compute"].update(compute or {})
    yaml.dump(params, folder / "params.yaml")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / ".gitkeep").touch()
    return subprocess.run(
        [sys.executable, ROOT / "stages" / "ingest.py", "data/ingest"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_stage_writes_all_that_the_contract_names(tmp_path):
    fill_folder(tmp_path / "images")
    done = run_stage(tmp_path, "images")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (tmp_path / "data/ingest").iterdir()} == {
        "pixels.npy", "manifest.jsonl", "vocabulary.json", "rejects.csv",
        "report.json", "labels.csv", "corrections.csv",
    }  # fmt: skip
    assert open_pixels(tmp_path / "data/ingest/pixels.npy").shape == (len(TEXTS), 1, 50, 200)


def test_row_i_describes_image_i(tmp_path):
    source = fill_folder(tmp_path / "in")
    ingest(source, tmp_path / "out")
    rows = read_manifest(tmp_path / "out" / "manifest.jsonl")
    pixels = open_pixels(tmp_path / "out" / "pixels.npy")
    assert [row.text for row in rows] == sorted(TEXTS)
    for row, image in zip(rows, pixels, strict=True):
        data = (source / row.file).read_bytes()
        assert np.array_equal(
            image, decode(data, height=20, width=40, channels=1, max_pixels=10_000)
        )
    assert read_json(tmp_path / "out" / "vocabulary.json") == sorted(set("".join(TEXTS)))


def test_a_repeated_inner_folder_collapses_without_blame(tmp_path):
    inner = {f"samples/{text}.png": png(seed) for seed, text in enumerate(TEXTS)}
    outer = {f"captchas/{name}": data for name, data in inner.items()}
    archive = pack(tmp_path / "kaggle.zip", inner | outer)
    tally = ingest(archive, tmp_path / "out")
    assert (tally.rows, tally.rejected, tally.excused) == (8, 0, 8)
    assert rejects(tmp_path / "out")["samples/ab1.png"] == (
        "same pixels and text as captchas/samples/ab1.png"
    )


def test_pixels_under_two_texts_are_all_rejected(tmp_path):
    source = fill_folder(tmp_path / "in")
    for name in ("aa9", "ab1_2", "zz9"):
        (source / f"{name}.png").write_bytes(png(0))  # as ab1.png
    tally = ingest(source, tmp_path / "out", max_rejected=0.5)
    reasons = rejects(tmp_path / "out")
    assert set(reasons) == {"aa9.png", "ab1.png", "ab1_2.png", "zz9.png"}
    assert all(reason.startswith("conflict") for reason in reasons.values())
    rows = read_manifest(tmp_path / "out" / "manifest.jsonl")
    pixels = open_pixels(tmp_path / "out" / "pixels.npy")
    assert tally.rows == len(rows) == len(pixels) == 7
    seeds = [TEXTS.index(row.text) for row in rows]
    for seed, image in zip(seeds, pixels, strict=True):
        assert np.array_equal(
            image, decode(png(seed), height=20, width=40, channels=1, max_pixels=10_000)
        )


def test_case_clashes_are_two_images_of_one_folded_text(tmp_path):
    source = fill_folder(tmp_path / "in", ["abc", "ABC", "xyz"])
    ingest(source, tmp_path / "out", case="lower")
    rows = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert [row.text for row in rows] == ["abc", "abc", "xyz"]


def test_too_many_rejects_fail_and_name_the_first(tmp_path):
    source = fill_folder(tmp_path / "in")
    (source / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"1 of 9 files rejected.*max_rejected.*broken.png: "):
        ingest(source, tmp_path / "out")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much a process has")
@pytest.mark.parametrize("height", [20, "auto"])
def test_an_image_gets_no_more_memory_than_its_pixels_need(tmp_path, monkeypatch, height):
    """The last line against what no count of pixels, parts or scans foresees."""
    monkeypatch.setattr("captcha_tagger.source.decoding.BASE_BYTES", 1 << 23)
    monkeypatch.setattr("captcha_tagger.source.decoding.BYTES_A_PIXEL", 0)
    source, out = fill_folder(tmp_path / "in"), tmp_path / "out"
    large = encode(Image.new("I;16", (7000, 2500)))  # its integers come in one piece of 70 MB
    for number in range(2 * len(TEXTS)):
        (source / f"large{number}.png").write_bytes(large)
    tally = ingest(source, out, max_rejected=1.0, height=height, width=200)
    assert set(rejects(out).values()) == {"needs more memory than there is"}
    assert (tally.rows, tally.rejected) == (len(TEXTS), 2 * len(TEXTS))
    assert tally.shape.height == (100 if height == "auto" else 20)  # as suits the others


def test_a_pattern_that_never_ends_is_an_error(tmp_path, monkeypatch):
    """It hung: a regular expression that repeats a repetition takes years on a long name."""
    monkeypatch.setattr("captcha_tagger.base.patterns.SECONDS", 0.2)
    source = fill_folder(tmp_path / "in", ["a" * 50])
    with pytest.raises(InputError, match=r"ingest.name_pattern: too slow on 'a{50}.png'"):
        ingest(source, tmp_path / "out", name_pattern=r"(?P<text>(\w+)*_v)")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no images"),
        (["a.txt", "b.txt"], "none of its 2 files can be used: a.txt: not named as an image"),
        (["aa.png", "aaa.png"], "'a' is the only label"),
    ],
)
def test_what_cannot_be_learned_from_is_an_error(tmp_path, names, message):
    source = tmp_path / "in"
    source.mkdir()
    for seed, name in enumerate(names):
        (source / name).write_bytes(png(seed))
    with pytest.raises(InputError, match=message):
        ingest(source, tmp_path / "out")


def test_bad_input_is_one_line_and_leaves_earlier_outputs(tmp_path):
    fill_folder(tmp_path / "images")
    assert run_stage(tmp_path, "images").returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*.*")}
    (tmp_path / "empty").mkdir()
    (tmp_path / "fake.zip").write_bytes(b"no zip")
    for source in ("nowhere", "empty", "fake.zip"):
        done = run_stage(tmp_path, source)
        assert done.returncode == 2
        assert done.stderr.startswith(f"ingest: {source}: ")
        assert done.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*.*")} == before


def test_processes_give_the_bytes_of_one(tmp_path, monkeypatch):
    source = fill_folder(tmp_path / "in", [f"{text}_{n}" for text in TEXTS for n in range(30)])
    (source / "bad.png").write_bytes(b"bad")
    ingest(source, tmp_path / "serial")
    monkeypatch.setattr(intake, "SERIAL_FILES", 0)
    ingest(source, tmp_path / "parallel")
    for path in (tmp_path / "serial").iterdir():
        assert path.read_bytes() == (tmp_path / "parallel" / path.name).read_bytes()


def test_a_formula_in_a_name_is_defused_in_every_table(tmp_path):
    source = fill_folder(tmp_path / "in", ["=cmd", "+a", "-b", "@c", *TEXTS])
    (source / "=bad.png").write_bytes(b"")
    tally = ingest(source, tmp_path / "out", max_rejected=0.5)
    summary = summarize(iterate_manifest(tmp_path / "out" / "manifest.jsonl"))
    write_summary(tmp_path / "out", summary, tally)
    for path in (tmp_path / "out").glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_colour_is_kept_on_request(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for seed, text in enumerate(TEXTS):
        (source / f"{text}.webp").write_bytes(encode(draw(seed), "WEBP", lossless=True))
    ingest(source, tmp_path / "out", color="rgb")
    assert open_pixels(tmp_path / "out" / "pixels.npy").shape == (8, 3, 20, 40)


def test_the_heavy_libraries_stay_unloaded_until_a_plot(tmp_path):
    imports = run_stage(tmp_path, "nowhere", PYTHONPROFILEIMPORTTIME="1").stderr
    assert "captcha_tagger.ingest.ingest" in imports
    heavy = ("torch", "mlflow", "matplotlib", "scipy", "sklearn", "ray")
    assert not any(f" {name}\n" in imports for name in heavy)


@pytest.mark.skipif(not REAL_IMAGES.is_dir(), reason="CAPTCHA_IMAGES names no folder")
def test_the_real_images_are_all_taken(tmp_path):
    tally = ingest(REAL_IMAGES, tmp_path / "out", height=50, width=200)
    assert (tally.rejected, tally.excused) == (0, 0)
    assert tally.rows == 900
    assert len(tally.labels) == 19
