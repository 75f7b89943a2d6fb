"""Case that a look does not show, in names that people typed: `ingest.case: auto`."""

import json

import pytest

from captcha_tagger.data.manifest import read_manifest
from captcha_tagger.ingest.case import choose_case
from captcha_tagger.ingest.ingest import ingest
from captcha_tagger.ingest.summary import summarize, write_summary
from captcha_tagger.params import load_params
from captcha_tagger.source.limits import Found
from tests.hostile import png
from tests.repository import PARAMS_FILE

PARAMS = load_params(PARAMS_FILE).ingest.model_copy(update={"case": "auto"})
SMALL = ["abf2", "cfd3", "feab", "dcab", "bade", "facb"]


def choose(texts, case="auto"):
    files = [Found(f"{text}.png") for text in texts]
    return choose_case(files, PARAMS.model_copy(update={"case": case}))


@pytest.mark.parametrize(
    ("texts", "case"),
    [
        ([*SMALL, "Fabc"], "lower"),  # F beside 5 f, of 26 letters
        ([text.upper() for text in SMALL] + ["fABC"], "upper"),
        (SMALL, "keep"),
        ([*SMALL, "Zabc"], "keep"),  # no z: Z is a label of its own
        ([*SMALL, "FABc"], "keep"),  # too many for slips
        (["aBcD", "AbCd", "bAdC"], "keep"),
        (["1234", "5678"], "keep"),
    ],
)
def test_a_case_so_rare_that_it_is_a_slip_is_folded(texts, case):
    assert choose(texts) == case


@pytest.mark.parametrize("case", ["keep", "lower", "upper"])
def test_what_params_say_stays(case, capsys):
    assert choose([*SMALL, "Fabc"], case) == case
    assert capsys.readouterr().out == ""


def test_a_choice_is_said_and_written_down(tmp_path, capsys):
    source, folder = tmp_path / "images", tmp_path / "out"
    source.mkdir()
    folder.mkdir()
    for number, text in enumerate([*SMALL, "Fabc"]):
        (source / f"{text}.png").write_bytes(png(number))
    tally = ingest(source, PARAMS, folder)
    rows = read_manifest(folder / "manifest.jsonl")
    write_summary(folder, summarize(rows), tally)
    assert "F is rare beside the same letters" in capsys.readouterr().out
    assert json.loads((folder / "report.json").read_text())["case"] == "lower"
    assert {row.file: row.text for row in rows}["Fabc.png"] == "fabc"
    assert "F" not in json.loads((folder / "vocabulary.json").read_text())
