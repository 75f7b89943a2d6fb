"""Labels and corrections through the whole of ingest."""

import json
from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.manifest import read_manifest
from captcha_tagger.ingest.ingest import ingest
from captcha_tagger.ingest.summary import summarize, write_summary
from captcha_tagger.ingest.verdicts import Tally
from tests.hostile import TEXTS, fill_folder, pack, png
from tests.stages.test_ingest import PARAMS, rejects, run_stage

NUMBERED = [f"{number:04}" for number in range(len(TEXTS))]
ROWS = [f"{name}.png,{text}" for name, text in zip(NUMBERED, TEXTS, strict=True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill_folder(tmp_path / "in", NUMBERED)


def take(source: Path, name: str = "labels.csv", table: str = "", **keys: object) -> Tally:
    """Ingest the source with a table beside it; `corrections.csv` goes by its name."""
    path = source.parent / name
    path.write_text(table, encoding="utf-8")
    key = "corrections" if name == "corrections.csv" else "labels"
    out = source.parent / "out"
    out.mkdir(exist_ok=True)
    return ingest(source, PARAMS.model_copy(update={key: str(path), **keys}), out)


def texts(source: Path) -> dict[str, str]:
    return {row.file: row.text for row in read_manifest(source.parent / "out/manifest.jsonl")}


def reasons(source: Path) -> dict[str, str]:
    prefix = f"{source.parent}/"
    return {file: why.replace(prefix, "") for file, why in rejects(source.parent / "out").items()}


@pytest.mark.parametrize(
    ("name", "head", "row", "keys"),
    [
        ("labels.csv", "file,text", "{0}.png,{1}", {}),
        ("labels.csv", "\ufeffwhy;Text;File", "x;{1};{0}.png", {}),
        ("labels.csv", "Id,Label", "{0},{1}", {}),
        ("labels.csv", "file,text", "images/{0}.png,{1}", {}),
        ("labels.csv", "file,text", "images\\{0}.png,{1}", {}),
        ("labels.csv", "path\tcode", "{0}.png\t {1}", {"label_columns": ["path", "code"]}),
        ("labels.jsonl", "", '{{"file": "{0}.png", "text": "{1}", "box": [1]}}', {}),
    ],
)
def test_a_table_gives_the_texts(
    folder: Path, name: str, head: str, row: str, keys: dict[str, object]
) -> None:
    rows = [row.format(*pair) for pair in zip(NUMBERED, TEXTS, strict=True)]
    tally = take(folder, name, "\n".join([head, *rows]), **keys)
    assert list(texts(folder).values()) == TEXTS
    assert tally.rejected == 0
    assert tally.tables["labels"]["rows"] == len(TEXTS)


def test_rows_name_images_in_a_zip_by_the_end_of_their_path(tmp_path: Path) -> None:
    entries = {f"deep/{name}.png": png(seed) for seed, name in enumerate(NUMBERED)}
    archive = pack(tmp_path / "in.zip", entries)
    take(archive, table="\n".join(["file,text", *ROWS]))
    assert list(texts(archive).values()) == TEXTS


def test_images_without_a_row_and_rows_without_an_image_are_reasoned(folder: Path) -> None:
    table = "\n".join(["file,text", *ROWS[1:], "gone.png,abc"])
    tally = take(folder, table=table, max_rejected=0.2)
    assert reasons(folder) == {
        "0000.png": "no row in labels.csv",
        "gone.png": "labels.csv:9: no such image in the source",
    }
    assert tally.rejected == 1  # a row too many is no fault of the images


def test_a_row_that_may_mean_two_images_or_two_texts_gives_none(folder: Path) -> None:
    fill_folder(folder / "other", ["0000"])
    (folder / "other/0000.png").write_bytes(png(99))
    tally = take(folder, table="\n".join(["file,text", *ROWS, "0001.png,zz"]), max_rejected=0.5)
    assert reasons(folder) == {
        "0001.png": "labels.csv:3: other rows give it another text",
        "other/0000.png": "labels.csv:2: names 2 images; write the path of one",
        "0000.png": "labels.csv:2: names 2 images; write the path of one",
    }
    assert tally.rows == len(TEXTS) - 2


def test_a_table_without_rows_leaves_the_names(tmp_path: Path) -> None:
    source = fill_folder(tmp_path / "in")
    tally = take(source, table="file,text\n")
    assert sorted(texts(source).values()) == sorted(TEXTS)
    assert tally.tables == {}


def test_a_table_inside_the_source_is_no_reject(folder: Path) -> None:
    path = folder / "labels.csv"
    path.write_text("\n".join(["file,text", *ROWS]))
    (folder.parent / "out").mkdir()
    params = PARAMS.model_copy(update={"source": str(folder), "labels": str(path)})
    tally = ingest(folder, params, folder.parent / "out")
    assert (tally.rows, tally.rejected, tally.excused) == (len(TEXTS), 0, 1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,label\na,b", r"labels.csv:2: has the columns name, label, not file, text"),
        ("file,text\na,b,c", r"labels.csv:2: 3 cells for 2 columns"),
    ],
)
def test_a_table_that_is_none_is_one_line(folder: Path, table: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        take(folder, table=table)


def test_corrections_win_over_names_and_drop_images(tmp_path: Path) -> None:
    source = fill_folder(tmp_path / "in")
    table = "file,text,why\nab1.png,aBc,typo\nbc2.png,drop,unreadable\n"
    tally = take(source, "corrections.csv", table, case="lower")
    found = texts(source)
    assert found["ab1.png"] == "abc"
    assert "bc2.png" not in found
    assert reasons(source) == {"bc2.png": "dropped by corrections.csv: unreadable"}
    assert (tally.rows, tally.rejected, tally.excused) == (len(TEXTS) - 1, 0, 1)


def test_corrections_settle_what_stood_under_two_texts(tmp_path: Path) -> None:
    source = fill_folder(tmp_path / "in")
    (source / "zz9.png").write_bytes(png(0))  # as ab1.png
    take(source, "corrections.csv", "file,text,why\nzz9.png,ab1,a double\n")
    assert "ab1.png" in texts(source)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("gone.png,abc,", r"corrections.csv: gone.png: no such image in .*take the row out"),
        ("ab1.png,,", r"corrections.csv:2: ab1.png: its text is empty; write the text, or drop"),
        ("ab1.png,a b,", r"corrections.csv:2: ab1.png: its text holds a blank"),
        (",abc,", r"corrections.csv:2: names no file"),
        ("ab1.png,x,\nab1.png,y,", r"corrections.csv:3: ab1.png: corrected twice"),
    ],
)
def test_a_correction_that_cannot_be_meant_is_one_line(
    tmp_path: Path, row: str, message: str
) -> None:
    source = fill_folder(tmp_path / "in")
    with pytest.raises(InputError, match=message) as caught:
        take(source, "corrections.csv", f"file,text,why\n{row}\n")
    assert "\n" not in str(caught.value)


def test_the_report_names_the_tables_by_their_hashes(tmp_path: Path) -> None:
    source = fill_folder(tmp_path / "in")
    tally = take(source, "corrections.csv", "file,text,why\nab1.png,abc,\nbc2.png,drop,\n")
    out = tmp_path / "out"
    write_summary(out, summarize(read_manifest(out / "manifest.jsonl")), tally)
    found = json.loads((out / "report.json").read_text())
    assert found["corrections"] == {
        "texts": 1, "dropped": 1, "md5": "469b65cc6dbf9d6fb901d769668dc92e",
    }  # fmt: skip


def test_the_stage_takes_both_tables_from_params(tmp_path: Path) -> None:
    fill_folder(tmp_path / "images", NUMBERED)
    (tmp_path / "names.csv").write_text("\n".join(["file,text", *ROWS]))
    (tmp_path / "fixes.csv").write_text("file,text,why\n0000.png,bb1,typo\n")
    keys = {"labels": "names.csv", "corrections": "fixes.csv"}
    done = run_stage(tmp_path, "images", keys)
    assert done.returncode == 0, done.stderr
    rows = read_manifest(tmp_path / "data/ingest/manifest.jsonl")
    assert [row.text for row in rows] == ["bb1", *TEXTS[1:]]


def test_the_shape_suits_the_images_that_have_a_row(tmp_path: Path) -> None:
    """It was chosen from a sample of all files, which may hold none of a few labelled ones."""
    source = fill_folder(tmp_path / "in", [f"{n:04}" for n in range(900)])
    table = "file,text\n0001.png,abcdefgh\n0003.png,ijklmnop\n"
    keys = {"width": "auto", "height": "auto", "max_rejected": 1.0}
    found = take(source, table=table, **keys).shape
    assert found == take(source, table=table.replace("0001", "0000"), **keys).shape


def test_unlabelled_images_are_left_out_where_the_params_say_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Training on half a table needed `max_rejected: 1`, which switched the guard off for all."""
    table = "\n".join(["file,text", *ROWS[2:], "0001.png,"])
    tally = take(folder, table=table, unlabelled="skip", max_rejected=0.0)
    assert list(texts(folder).values()) == TEXTS[2:]
    assert reasons(folder) == {
        "0000.png": "no row in labels.csv",
        "0001.png": "labels.csv:8: no text yet",
    }
    assert (tally.rejected, tally.tables["labels"]["without_text"]) == (0, 2)
    assert "2 images without a text in" in capsys.readouterr().out


def test_other_faults_of_a_table_stay_rejects_where_unlabelled_images_are_skipped(
    folder: Path,
) -> None:
    table = "\n".join(["file,text", *ROWS[1:], "0001.png,zz"])
    with pytest.raises(InputError, match="1 of 7 files rejected"):
        take(folder, table=table, unlabelled="skip")


def test_a_table_that_labels_no_image_is_said_where_unlabelled_images_are_skipped(
    folder: Path,
) -> None:
    with pytest.raises(
        InputError, match=r"no images but those that are left out; look at ingest\.labels"
    ):
        take(folder, table="file,text\ngone.png,abc", unlabelled="skip")


def test_a_correction_gives_a_text_to_an_unlabelled_image(tmp_path: Path) -> None:
    source = fill_folder(tmp_path / "in", NUMBERED)
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["file,text", *ROWS[1:]]))
    take(
        source, "corrections.csv", f"file,text,why\n0000.png,{TEXTS[0]},seen",
        labels=str(labels), unlabelled="skip",
    )  # fmt: skip
    assert list(texts(source).values()) == TEXTS
