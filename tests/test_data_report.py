import json

import pytest
from PIL import Image

from captcha_tagger.data_report import summarize, write_report
from captcha_tagger.files import read_table
from captcha_tagger.manifest import Row


def make_rows(texts, **keys):
    return [
        Row(keys.get("file", f"{n}/{text}.png"), text, f"{n:x}", 200, 50 + n % 2)
        for n, text in enumerate(texts)
    ]


@pytest.fixture
def report(tmp_path):
    def write(rows):
        write_report(tmp_path, summarize(rows), rejected=2, excused=1)
        return tmp_path

    return write


def test_the_numbers_are_counted(report):
    folder = report(make_rows(["aab"] * 2 + ["bcd"] * 198 + ["abcd"]))
    numbers = json.loads((folder / "report.json").read_text())
    assert numbers["files"] == {"all": 204, "rejected": 2, "excused": 1}
    assert (numbers["images"], numbers["texts"], numbers["labels"]) == (201, 3, 4)
    assert numbers["images_per_label"] == {"min": 3, "max": 201}
    assert numbers["height"] == {"min": 50, "max": 51}
    assert numbers["text_length"] == {"min": 3, "most_common": 3, "max": 4, "outliers": 1}
    assert numbers["repeating_share"] == round(2 / 201, 4)
    assert read_table(folder / "labels.csv")[0] == {
        "label": "a", "images": "3", "share": "0.0149", "repeated": "2",
    }  # fmt: skip


def test_texts_of_unusual_length_are_named(report):
    page = (report(make_rows(["abc"] * 200 + ["ab"])) / "report.md").read_text()
    assert "## Texts of unusual length" in page
    assert "200/ab.png" in page


def test_texts_of_one_length_are_not_unusual(report):
    assert "unusual" not in (report(make_rows(["abc"] * 5)) / "report.md").read_text()


def test_names_and_labels_cannot_break_the_page(report):
    name = "<script>alert(1)</script>|`x`.png"
    rows = make_rows(["abc"] * 200) + make_rows(["|<"], file=name)
    page = (report(rows) / "report.md").read_text()
    assert "<script>" not in page
    assert all(line.count("|") in (0, 3, 4, 5) for line in page.splitlines())


@pytest.mark.parametrize(
    "texts", [["$a$", "=b", "שלום", "字a"], [chr(0x100 + n) for n in range(99)]]
)
def test_any_label_can_be_drawn_and_tabled(report, texts):
    folder = report(make_rows(texts))
    with Image.open(folder / "data.png") as image:
        assert image.width > 500
    assert not any(row["label"].startswith("=") for row in read_table(folder / "labels.csv"))


def test_the_same_rows_give_the_same_bytes(report):
    def read_all():
        folder = report(make_rows(["ab", "bc", "cb"]))
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert read_all() == read_all()
