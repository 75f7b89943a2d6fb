"""What no browser sends, to the served model and to the label page: each gets a 4xx, and the next
good request its answer."""

import base64
import gzip
import http.client
import io
import json
import logging
import socket
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from captcha_tagger.data.pixels import Shape
from captcha_tagger.label.app import make_app as make_label_app
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.predict.predictor import Predictor
from captcha_tagger.serve.app import make_app
from captcha_tagger.serve.decoder import Decoder
from captcha_tagger.serve.params import Serve
from captcha_tagger.serve.server import HOST, MOST_CONNECTIONS
from captcha_tagger.source.decoding_process import DecodingProcess
from tests.conftest import make_tagger
from tests.hostile import draw, encode, fill_folder, png
from tests.label.sitting import sit_down
from tests.served import Reply, request, serving

LIMITS = Serve(max_body_bytes=1_000_000, max_images=3, max_image_pixels=10_000, max_seconds=30)
JSON, TEXT = {"content-type": "application/json"}, {"content-type": "text/plain"}
TOKEN = "t0ken"
SOON_SECONDS = 5  # before anybody gives up those that say nothing more
BASE64 = base64.b64encode(png(0)).decode()


@dataclass(frozen=True)
class Asked:
    """A request, the status of its answer, and what that says."""

    name: str
    status: int
    says: str = ""
    body: bytes = b""
    path: str = "/predict"
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


def asked(*rows: Asked) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What the servers log, of which nothing but warnings is allowed."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage() if record.levelno >= logging.ERROR else "")

    keep, logger = Keep(), logging.getLogger("uvicorn.error")
    logger.addHandler(keep)
    yield lines
    logger.removeHandler(keep)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a served model."""
    folder = tmp_path_factory.mktemp("secret") / "model"
    save_model(make_tagger(), folder)
    predictor = Predictor(folder)
    with DecodingProcess(max_pixels=LIMITS.max_image_pixels, max_seconds=30) as process:
        decoder = Decoder(Shape(*predictor.card.shape), process)
        with serving(make_app(predictor, decoder, LIMITS, HOST)) as address:
            yield address


def send(address: str, row: Asked) -> Reply:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    try:
        path = parts.path.rstrip("/") + row.path
        connection.request(row.method, path, row.body, row.headers)
        return Reply(connection.getresponse())
    finally:
        connection.close()


def send_raw(address: str, data: bytes) -> bytes:
    """What comes back of bytes that need be no HTTP, until the server closes or has no more."""
    parts = urlsplit(address)
    with socket.create_connection((str(parts.hostname), parts.port), timeout=5) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(65536)
        except TimeoutError:
            raise
        except OSError:  # it was closed before it had read all
            return b""


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.png", data)
    return file.getvalue()


def animation(frames: int) -> bytes:
    pictures = [Image.new("L", (40, 20), number % 256) for number in range(frames)]
    return encode(pictures[0], "GIF", save_all=True, append_images=pictures[1:])


def images(*texts: object) -> bytes:
    return json.dumps({"images": texts}).encode()


FORM = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.png"\r\n\r\n%s\r\n--x--\r\n'


@asked(
    Asked("a form", 422, "no PNG", FORM % png(0), headers={"content-type": "multipart/form-data"}),
    Asked("half a PNG", 422, "damaged", png(0)[:-200]),
    Asked("a PNG with a wrong bit", 422, "damaged", png(0)[:60] + b"\0\0\0\0" + png(0)[64:]),
    Asked("a PNG with more behind it", 200, "text", png(0) + b"junk" * 100),
    Asked("a zip of a PNG", 422, "no PNG", zipped(png(0))),
    Asked("a packed PNG", 422, "no PNG", gzip.compress(png(0)), headers={"content-encoding": "gz"}),
    Asked("a PDF", 422, "no PNG", encode(draw(0), "PDF")),
    Asked("PostScript", 422, "no PNG", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    Asked("an icon", 422, "no PNG", encode(draw(0), "ICO")),
    Asked("500 frames", 200, "text", animation(500)),
    Asked("CMYK", 200, "text", encode(draw(0, "CMYK"), "JPEG")),
    Asked("a palette", 200, "text", encode(draw(0).convert("P"), "GIF")),
    Asked("sixteen bits", 200, "text", encode(Image.new("I;16", (40, 20), 40_000))),
    Asked("floats", 422, "floating-point", encode(Image.new("F", (40, 20)), "TIFF")),
    Asked("one pixel", 200, "text", encode(Image.new("L", (1, 1)))),
    Asked("a line", 200, "text", encode(Image.new("L", (9999, 1)))),
    Asked("JSON in UTF-16", 200, "text", images(BASE64).decode().encode("utf-16"), headers=JSON),
    Asked("JSON with a mark", 200, "text", b"\xef\xbb\xbf" + images(BASE64), headers=JSON),
    Asked("JSON called text", 422, "no PNG", images(BASE64), headers=TEXT),
    Asked("no images", 200, '{"predictions":[]}', images(), headers=JSON),
    Asked("a data URI", 400, "not base64", images(f"data:image/png;base64,{BASE64}"), headers=JSON),
    Asked("base64 in lines", 400, "not base64", images(BASE64[:76] + "\n"), headers=JSON),
    Asked("half a character", 400, "not base64", b'{"images": ["\\ud800"]}', headers=JSON),
    Asked("numbers", 400, "the JSON is to be", images(1, 2), headers=JSON),
    Asked("not a number", 400, "the JSON is to be", b'{"images": NaN}', headers=JSON),
    Asked("5,000 digits", 400, "no JSON", b'{"images": ' + b"9" * 5000 + b"}", headers=JSON),
    Asked("no body", 400, "no JSON", headers=JSON),
    Asked("evidence: maybe", 422, "evidence", png(0), "/predict?evidence=maybe"),
    Asked("evidence: half a byte", 422, "evidence", png(0), "/predict?evidence=%ff"),
    Asked("evidence: nothing", 422, "evidence", png(0), "/predict?evidence="),
    Asked("evidence: two", 422, "evidence", png(0), "/predict?evidence=1&evidence=x"),
    Asked("read it", 405, method="GET"),
    Asked("delete it", 405, method="DELETE"),
    Asked("trace it", 405, method="TRACE"),
    Asked("a method of ours", 405, method="BREW"),
    Asked("another site's address", 421, path="http://evil.example/predict"),
    Asked("the folder above", 404, path="/%2e%2e/%2e%2e/etc/passwd", method="GET"),
    Asked("a zero byte", 404, path="/predict%00"),
    Asked("a long address", 404, path="/" + "a" * 50_000),
    Asked("another host in front", 421, headers={"host": "127.0.0.1@evil.example"}),
)
def test_a_request_is_answered_or_refused(model: str, errors: list[str], row: Asked) -> None:
    reply = send(model, row)
    assert reply.status == row.status, reply.body
    assert row.says in reply.body.decode()
    assert b"secret" not in reply.body
    assert request(model, "/predict", png(0)).status == 200
    assert not any(errors)


RAW = {
    "nothing": b"",
    "a greeting of TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    "a line of bytes": b"\xff\0\xfe\r\n\r\n",
    "another version": b"POST /predict HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "no host": b"POST /predict HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "a header without a name": b"GET /health HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n",
    "a header without an end": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 300_000,
    "half a body": b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nx",
    "less than nothing": b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nxx",
    "5,000 digits of length": b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
    + b"9" * 5000
    + b"\r\n\r\n",
    "a chunk of no size": b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "half a chunk": b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nff\r\nxyz",
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_what_is_no_request_is_refused(model: str, errors: list[str], data: bytes) -> None:
    answer = send_raw(model, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer
    assert request(model, "/predict", png(0)).status == 200
    assert not any(errors)


def test_more_connections_than_are_taken_are_refused_at_once(model: str, errors: list[str]) -> None:
    parts = urlsplit(model)
    where = str(parts.hostname), parts.port
    waiting = [socket.create_connection(where, timeout=5) for _ in range(2 * MOST_CONNECTIONS)]
    try:
        for connection in waiting:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\n")
        began = time.monotonic()
        assert request(model, "/health").status == 503
        assert time.monotonic() - began < SOON_SECONDS
    finally:
        for connection in waiting:
            connection.close()
    assert request(model, "/predict", png(0)).status == 200
    assert not any(errors)


@contextmanager
def labelling(folder: Path) -> Iterator[str]:
    """The address of a label page, which writes labels.csv."""
    sitting = sit_down(fill_folder(folder / "in", ["0001", "0002"]), folder / "labels.csv")
    with serving(make_label_app(sitting, TOKEN, HOST)) as address:
        yield f"{address}{TOKEN}"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    with labelling(tmp_path) as address:
        yield address


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A label page, and the table that it never writes."""
    folder = tmp_path_factory.mktemp("label")
    with labelling(folder) as address:
        yield address, folder / "labels.csv"


def given(text: str, number: str = "0") -> bytes:
    return f'{{"number": {number}, "text": {text}}}'.encode()


@asked(
    Asked("no JSON", 422, body=b"{", path="/answer", headers=JSON),
    Asked("a list", 422, body=b"[]", path="/answer", headers=JSON),
    Asked("no number", 422, body=b'{"text": "a"}', path="/answer", headers=JSON),
    Asked("not a number", 422, body=given('"a"', "NaN"), path="/answer", headers=JSON),
    Asked("no end of numbers", 422, body=given('"a"', "Infinity"), path="/answer", headers=JSON),
    Asked("half an image", 422, body=given('"a"', "0.5"), path="/answer", headers=JSON),
    Asked(
        "one before the first", 422, "no such image", given('"a"', "-1"), "/answer", headers=JSON
    ),
    Asked("one of 400 digits", 422, body=given('"a"', "9" * 400), path="/answer", headers=JSON),
    Asked("5,000 digits", 400, body=given('"a"', "9" * 5000), path="/answer", headers=JSON),
    Asked("nested too deep", 400, body=b"[" * 9000, path="/answer", headers=JSON),
    Asked("a text that is a list", 422, body=given('["a"]'), path="/answer", headers=JSON),
    Asked("half a character", 422, body=given('"\\ud800"'), path="/answer", headers=JSON),
    Asked("a zero byte", 422, "invisible", given('"a\\u0000"'), "/answer", headers=JSON),
    Asked("9,000 letters", 422, "more than 256", given(f'"{"a" * 9000}"'), "/answer", headers=JSON),
    Asked("two lines", 422, "invisible", given('"a\\nb"'), "/answer", headers=JSON),
    Asked(
        "a mark that turns text", 422, "invisible", given('"a\\u202eb"'), "/answer", headers=JSON
    ),
    Asked("a form's JSON", 422, body=given('"a"'), path="/answer"),
    Asked("bytes", 400, body=b"\xff\xfe\xff", path="/answer", headers=JSON),
    Asked("an image of words", 422, path="/images/x", method="GET"),
    Asked("an image below zero", 404, path="/images/-1", method="GET"),
    Asked("an image of 400 digits", 404, path=f"/images/{'9' * 400}", method="GET"),
    Asked("an image of 5,000 digits", 422, path=f"/images/{'9' * 5000}", method="GET"),
    Asked("the folder above", 404, path="/images/../../labels.csv", method="GET"),
    Asked("the table", 404, path="/labels.csv", method="GET"),
    Asked("a read answer", 405, path="/answer", method="GET"),
)
def test_a_label_page_writes_no_answer_that_is_none(
    untouched: tuple[str, Path], errors: list[str], row: Asked
) -> None:
    page, table = untouched
    reply = send(page, row)
    assert reply.status == row.status, reply.body
    assert row.says in reply.body.decode()
    assert request(page, "/state").status == 200
    assert not table.exists()
    assert not any(errors)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["=1+1", "'a", '",', "ß", "𝟙", "a" * 256])
def test_any_text_that_can_be_seen_comes_back_from_the_table(
    page: str, tmp_path: Path, text: str
) -> None:
    before = request(page, "/state").json["number"]
    body = given(json.dumps(text), str(before))
    assert send(page, Asked("", 200, body=body, path="/answer", headers=JSON)).status == 200
    again = sit_down(tmp_path / "in", tmp_path / "labels.csv").show()
    assert (again.labelled, again.images) == (1, 2)
    assert send(page, Asked("", 200, path="/back")).json["text"] == text


TABLES = {
    "a table of others": "a,b\n1,2\n",
    "binary": "\udcff\udcfe\0",
    "an open quote": 'file,text\n"0001.png,a',
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*TABLES, "a folder", "a link to a device"])
def test_a_table_that_was_changed_meanwhile_is_left_as_it_is(
    page: str, tmp_path: Path, errors: list[str], kind: str
) -> None:
    table = tmp_path / "labels.csv"
    if kind == "a folder":
        table.mkdir()
    elif kind == "a link to a device":
        table.symlink_to("/dev/null")
    else:
        table.write_text(TABLES[kind], errors="surrogateescape")
    before = table.lstat()
    reply = send(page, Asked("", 422, body=given('"a"'), path="/answer", headers=JSON))
    assert reply.status in (422, 507), reply.body
    assert (table.lstat().st_ino, table.lstat().st_size) == (before.st_ino, before.st_size)
    assert request(page, "/state").json["answered"] == 0
    assert not any(errors)
