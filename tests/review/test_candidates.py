from pathlib import Path

import numpy as np
import pytest

from captcha_tagger.base.files import read_table
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.ingest.corrections import Correction, read_corrections
from captcha_tagger.review.candidates import Candidate, append_candidates, rank_candidates
from captcha_tagger.review.folds import Verdicts

CANDIDATES = [
    Candidate("ab1.png", "ab1", "ab7", 0.9996),
    Candidate("=x.png", "=x", "=y", 0.99),
    Candidate("b.png", "b", "", 0.98),
    Candidate("drap.png", "drap", "drop", 0.9),
]


def agree(data: Dataset) -> tuple[list[str], "np.ndarray[tuple[int], np.dtype[np.float64]]"]:
    return [row.text for row in data.rows], np.full(len(data.rows), 0.9)


def test_the_surest_of_another_text_comes_first(data: Dataset) -> None:
    read, sureness = agree(data)
    read[3], read[5], read[7] = "ab", "cd", "bb"
    sureness[3], sureness[7] = 0.99, 0.4
    found = rank_candidates(data, Verdicts(read, sureness, data.targets > 0.5))
    assert [(one.file, one.suggestion) for one in found] == [("3.png", "ab"), ("5.png", "cd")]


def test_without_a_text_the_one_label_that_differs_suggests_it(data: Dataset) -> None:
    _, sureness = agree(data)
    predicted = data.targets > 0.5
    predicted[7] = [True, False, True, False]
    predicted[8] = [True, True, True, True]
    found = rank_candidates(data, Verdicts([], sureness, predicted))
    assert data.rows[7].text == "ba"
    assert [(one.file, one.suggestion) for one in found] == [("7.png", "ca"), ("8.png", "")]


def test_proposals_are_corrections_that_ingest_reads(tmp_path: Path) -> None:
    out = tmp_path / "corrections.csv"
    assert append_candidates(out, CANDIDATES, 20) == CANDIDATES
    why = "a model that has not seen it is sure by"
    assert read_corrections(out, "keep") == {
        "ab1.png": Correction("ab7", f"named ab1; {why} 1.000"),
        "=x.png": Correction("=y", f"named =x; {why} 0.990"),
    }


def test_what_somebody_has_reviewed_stays_and_comes_first(tmp_path: Path) -> None:
    out = tmp_path / "corrections.csv"
    out.write_text("file,text,why\nz.png,zz,\nab1.png,drop,blurred\n")
    assert append_candidates(out, CANDIDATES, 1) == CANDIDATES[1:3]
    assert list(read_corrections(out, "keep").items())[:2] == [
        ("z.png", Correction("zz", "")),
        ("ab1.png", Correction("drop", "blurred")),
    ]


def test_columns_of_the_users_own_stay(tmp_path: Path) -> None:
    out = tmp_path / "corrections.csv"
    out.write_text('File;text;why;reviewer\nz.png;zz;;"=me"\n')
    append_candidates(out, CANDIDATES[:1], 1)
    old, new = read_table(out)
    assert old == {"File": "z.png", "text": "zz", "why": "", "reviewer": "=me"}
    assert (new["File"], new["text"], new["reviewer"]) == ("ab1.png", "ab7", "")


def test_columns_stay_where_there_is_no_row_yet(tmp_path: Path) -> None:
    """As the table is shipped, a header alone."""
    out = tmp_path / "corrections.csv"
    out.write_text("file,text,why,reviewer\n")
    append_candidates(out, [], 1)
    assert out.read_text() == "file,text,why,reviewer\n"
    append_candidates(out, CANDIDATES[:1], 1)
    assert out.read_text().startswith("file,text,why,reviewer\nab1.png,ab7,")


def test_what_is_unclear_takes_no_place_of_a_text(tmp_path: Path) -> None:
    """With a head that reads no texts, twenty images without a suggestion left room for none."""
    out = tmp_path / "corrections.csv"
    unclear = [Candidate(f"{n}.png", "abc", "", 0.9999) for n in range(5)]
    found = append_candidates(out, [*unclear, *CANDIDATES], 2)
    assert list(read_corrections(out, "keep")) == ["ab1.png", "=x.png"]
    assert found == [*CANDIDATES[:2], *unclear[:2]]


@pytest.mark.parametrize("first", [1, 2])
def test_no_more_are_added_than_asked_for(tmp_path: Path, first: int) -> None:
    out = tmp_path / "corrections.csv"
    append_candidates(out, CANDIDATES, first)
    assert len(read_corrections(out, "keep")) == first
