"""The label command's page without its script: each step, and what it leaves on disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.ingest.ingest import limits_of
from captcha_tagger.label.app import make_app
from captcha_tagger.label.candidates import look_at
from captcha_tagger.label.reader import Reader
from captcha_tagger.serve.server import HOST
from captcha_tagger.source.decoding_process import DecodingProcess
from captcha_tagger.source.source import open_source
from captcha_tagger.source.table import iterate_lines
from tests.bombs import scan_jpeg
from tests.conftest import make_tagger
from tests.hostile import fill_folder
from tests.label.sitting import PARAMS, sit_down
from tests.served import Reply, post_json, request, serving

TOKEN = "t0ken"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill_folder(tmp_path / "in", ["0001", "0002", "deep", "x"])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


@pytest.fixture
def page(folder: Path, out: Path) -> Iterator[str]:
    with serving(make_app(sit_down(folder, out), TOKEN, HOST)) as address:
        yield f"{address}{TOKEN}"


def state(page: str) -> dict[str, Any]:
    return dict(request(page, "/state").json)


def answer(page: str, number: int, text: str | None) -> Reply:
    return post_json(page, "/answer", {"number": number, "text": text})


def iterate_images(page: str) -> Iterator[dict[str, Any]]:
    """All four, by skipping."""
    for _ in range(4):
        yield (shown := state(page))
        answer(page, shown["number"], None)


def rows(out: Path) -> dict[str, str]:
    return {cells["file"]: cells["text"] for _, cells in iterate_lines(out)}


def test_an_answer_is_on_disk_before_the_next_image_is_shown(page: str, out: Path) -> None:
    before = state(page)
    after = answer(page, before["number"], " abc ").json
    assert rows(out) == {before["file"]: "abc"}
    assert (after["labelled"], after["images"], after["answered"]) == (1, 4, 1)
    assert after["number"] not in (before["number"], None)


def test_a_proposal_is_accepted_as_it_is(page: str) -> None:
    for _ in range(4):
        shown = state(page)
        if shown["text"]:
            after = answer(page, shown["number"], shown["text"]).json
            assert after["accepted"] == after["answered"]
        else:  # nothing was read, and nothing is no text
            assert answer(page, shown["number"], "").status == 422
            answer(page, shown["number"], None)


def test_a_proposal_accepted_by_mistake_was_not_right(page: str) -> None:
    shown = next(filter(lambda image: image["text"], iterate_images(page)))
    assert answer(page, shown["number"], shown["text"]).json["accepted"] == 1
    after = answer(page, shown["number"], f"{shown['text']}x").json
    assert (after["answered"], after["accepted"]) == (1, 0)


@pytest.mark.parametrize(
    ("text", "reason"), [("", "its text is empty"), ("a b", "its text holds a blank")]
)
def test_what_ingest_would_refuse_is_not_written(
    page: str, out: Path, text: str, reason: str
) -> None:
    reply = answer(page, state(page)["number"], text)
    assert reply.status == 422
    assert reason in reply.json["detail"]
    assert not out.exists()


def test_one_goes_back_and_mends(page: str, out: Path) -> None:
    first = state(page)
    answer(page, first["number"], "abd")
    back = post_json(page, "/back", {}).json
    assert (back["number"], back["text"], back["given"]) == (first["number"], "abd", True)
    answer(page, first["number"], "abc")
    assert rows(out) == {first["file"]: "abc"}


def test_a_row_without_a_text_is_no_label(folder: Path, out: Path) -> None:
    """Of a table whose files were filled in beforehand, no image was ever shown."""
    out.write_text("file,text\n0001.png,\n0002.png,abc\n")
    shown = sit_down(folder, out).show()
    assert (shown.labelled, shown.images) == (1, 4)


def test_a_skipped_image_gets_no_row_and_comes_again(page: str, folder: Path, out: Path) -> None:
    first = state(page)
    assert answer(page, first["number"], None).json["skipped"] == 1
    answer(page, state(page)["number"], "abc")
    again = sit_down(folder, out).show()
    assert again.labelled == 1
    assert first["file"] not in rows(out)


def test_a_new_sitting_goes_on_where_the_last_one_ended(page: str, folder: Path, out: Path) -> None:
    for _ in range(3):
        answer(page, state(page)["number"], "abc")
    session = sit_down(folder, out)
    assert session.show().file not in rows(out)
    session.skip(session.show().number or 0)
    assert session.show().number is None


def test_an_answer_to_no_image_is_refused(page: str, out: Path) -> None:
    assert answer(page, 99, "abc").json == {"detail": "no such image"}
    assert request(page, "/images/99").status == 404
    assert post_json(page, "/answer", {"number": "x"}).status == 422
    assert not out.exists()


@pytest.mark.parametrize("path", ["/state", "/", "/images/0", "/label.js", "/answer"])
def test_without_the_token_there_is_nothing(page: str, path: str) -> None:
    address = page.removesuffix(TOKEN)
    for guess in ("", "wrong", TOKEN.upper()):
        assert request(f"{address}{guess}", path).status == 404


def test_another_name_or_origin_gets_nothing(page: str, out: Path) -> None:
    assert request(page, "/state", headers={"host": "evil.example"}).status == 421
    body = b'{"number": 0, "text": "abc"}'
    headers = {"content-type": "application/json", "origin": "https://evil.example"}
    assert request(page, "/answer", body, headers).status == 403
    assert not out.exists()


def test_a_body_larger_than_any_text_is_refused(page: str) -> None:
    assert answer(page, 0, "x" * 20_000).status == 413


def test_a_full_disk_is_said_and_loses_nothing(
    page: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(page, state(page)["number"], "abc")
    before = rows(out)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("captcha_tagger.label.table.write_table", refuse)
    reply = answer(page, state(page)["number"], "abd")
    assert (reply.status, reply.json["detail"]) == (507, "not written: No space left on device")
    assert rows(out) == before
    assert state(page)["labelled"] == 1


def test_the_picture_is_the_image(page: str) -> None:
    reply = request(page, f"/images/{state(page)['number']}")
    assert (reply.status, reply.body[8:12]) == (200, b"WEBP")


def test_an_image_that_keeps_its_decoder_is_left_out(
    folder: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        open_source(folder, limits_of(PARAMS)) as source,
        DecodingProcess(max_pixels=PARAMS.max_image_pixels, max_seconds=1e-6) as process,
        pytest.raises(InputError, match="no image there that can be shown"),
    ):
        look_at(source, process, Reader(make_tagger(), PARAMS.case))
    assert capsys.readouterr().err.count("takes more than 1e-06 seconds") == 4


def test_what_is_no_image_is_said_and_left_out(
    folder: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bomb.jpg").write_bytes(scan_jpeg(2000))
    (folder / "notes.txt").write_text("x")
    shutil.copy(folder / "x.png", folder / "y.png")
    assert sit_down(folder, out).show().images == 5
    said = capsys.readouterr().err
    assert "bomb.jpg: a JPEG of more than 100 scans" in said
    assert "notes.txt: not named as an image" in said
