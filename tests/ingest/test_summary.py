import json

import pytest

from captcha_tagger.base.files import read_table
from captcha_tagger.data.manifest import Row
from captcha_tagger.data.pixels import Shape
from captcha_tagger.ingest.summary import summarize, write_summary
from captcha_tagger.ingest.verdicts import Tally


def make_rows(texts, **keys):
    return [
        Row(keys.get("file", f"{n}/{text}.png"), text, f"{n:x}", 200, 50 + n % 2)
        for n, text in enumerate(texts)
    ]


@pytest.fixture
def report(tmp_path):
    def write(rows):
        tally = Tally(Shape(1, 50, 200), rows=len(rows), rejected=2, excused=1)
        write_summary(tmp_path, summarize(rows), tally)
        return tmp_path

    return write


def test_the_numbers_are_counted(report):
    folder = report(make_rows(["aab"] * 2 + ["bcd"] * 198 + ["abcd"]))
    numbers = json.loads((folder / "report.json").read_text())
    assert numbers["files"] == {"all": 204, "rejected": 2, "excused": 1}
    assert (numbers["images"], numbers["texts"], numbers["labels"]) == (201, 3, 4)
    assert numbers["images_per_label"] == {"min": 3, "max": 201}
    assert numbers["kept_as"] == {"channels": 1, "height": 50, "width": 200}
    assert numbers["height"] == {"min": 50, "max": 51}
    assert numbers["text_length"] == {"min": 3, "most_common": 3, "max": 4, "outliers": 1}
    assert numbers["repeating_share"] == round(2 / 201, 4)
    assert read_table(folder / "labels.csv")[0] == {
        "label": "a", "images": "3", "share": "0.0149", "repeated": "2",
    }  # fmt: skip


def test_rare_text_lengths_are_outliers():
    assert summarize(make_rows(["abc"] * 200 + ["ab"])).outlier_lengths == [2]
    assert summarize(make_rows(["abc"] * 5)).outlier_lengths == []


def test_the_same_rows_give_the_same_bytes(report):
    def read_all():
        folder = report(make_rows(["ab", "bc", "cb"]))
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert read_all() == read_all()
