"""The serve command's endpoint over real HTTP: answers, refusals, and who is answered at all."""

import base64
import json
import re
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from captcha_tagger.data.pixels import Shape
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.predict.predictor import Predictor
from captcha_tagger.serve.app import make_app
from captcha_tagger.serve.decoder import Decoder
from captcha_tagger.serve.guard import Guard
from captcha_tagger.serve.params import Serve
from captcha_tagger.serve.server import HOST
from captcha_tagger.source.decoding_process import DecodingProcess
from tests.bombs import chunk_png, run_length_bmp, scan_jpeg, tile_tiff
from tests.conftest import VOCABULARY, make_tagger
from tests.hostile import draw, encode, png
from tests.served import post_json, request, serving

LIMITS = Serve(max_body_bytes=1_000_000, max_images=3, max_image_pixels=10_000, max_seconds=30)
BASE64 = base64.b64encode(png(0)).decode()


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("secret") / "model"
    save_model(make_tagger(), folder)
    return Predictor(folder)


@pytest.fixture(scope="module")
def app(predictor: Predictor) -> Iterator[ASGIApp]:
    shape = Shape(*predictor.card.shape)
    with DecodingProcess(max_pixels=LIMITS.max_image_pixels, max_seconds=30) as process:
        yield make_app(predictor, Decoder(shape, process), LIMITS, HOST)


@pytest.fixture(scope="module")
def address(app: ASGIApp) -> Iterator[str]:
    with serving(app) as address:
        yield address


@pytest.mark.parametrize("as_json", [False, True])
def test_an_image_gets_the_answer_of_the_predict_command(
    address: str, predictor: Predictor, as_json: bool
) -> None:
    reply = (
        post_json(address, "/predict", {"images": [BASE64]})
        if as_json
        else request(address, "/predict", png(0))
    )
    (found,) = predictor.predict([*predictor.decode([png(0)])])
    assert reply.status == 200
    (answer,) = reply.json["predictions"]
    assert answer == {**json.loads(json.dumps(found.as_dict())), "evidence": None}


def test_several_images_are_answered_in_order(address: str) -> None:
    images = [base64.b64encode(png(seed)).decode() for seed in range(3)]
    together = post_json(address, "/predict", {"images": images}).json["predictions"]
    alone = [request(address, "/predict", png(n)).json["predictions"][0] for n in range(3)]
    assert [one["probs"] for one in together] == [
        pytest.approx(one["probs"], abs=1e-5) for one in alone
    ]


def test_where_each_label_was_seen_is_told_who_asks(address: str, predictor: Predictor) -> None:
    (answer,) = request(address, "/predict?evidence=true", png(0)).json["predictions"]
    maps = answer["evidence"]["maps"]
    assert list(maps) == answer["labels"]
    assert all(len(rows[0]) == predictor.model.columns for rows in maps.values())
    assert answer["evidence"]["picture"].startswith("data:image/webp;base64,")


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        ([], 400, 'the JSON is to be {"images": [base64, ...]}'),
        ({"images": "x"}, 400, 'the JSON is to be {"images": [base64, ...]}'),
        ({"images": ["?"]}, 400, "image 0: not base64"),
        ({"images": [None]}, 400, 'the JSON is to be {"images": [base64, ...]}'),
        ({"images": [BASE64] * 4}, 413, "4 images are more than 3"),
        ({"images": [BASE64, ""]}, 422, "image 1: empty file"),
    ],
)
def test_a_request_that_is_none_says_why(
    address: str, content: object, status: int, reason: str
) -> None:
    reply = post_json(address, "/predict", content)
    assert (reply.status, reply.json) == (status, {"detail": reason})


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"\xff"])
def test_json_that_is_none_is_the_askers_fault(address: str, body: bytes) -> None:
    reply = request(address, "/predict", body, {"content-type": "application/json"})
    assert (reply.status, reply.json) == (400, {"detail": "the body is no JSON"})


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "empty file"),
        (b"<svg onload=alert(1)>", "no PNG, JPEG"),
        (encode(draw(0, size=(200, 100))), "200x100 pixels are more than 10000"),
        (scan_jpeg(2000), "more than 100 scans"),
        (chunk_png(30_000), "more than 20000 parts"),
        (tile_tiff(10_000), "tiles of 10000x10000 pixels"),
        (run_length_bmp(400), "400x400 pixels are more than 10000"),
    ],
)
def test_a_hostile_upload_is_refused_with_the_reason_and_no_path(
    address: str, image: bytes, reason: str
) -> None:
    reply = request(address, "/predict", image)
    assert reply.status == 422
    assert reason in reply.json["detail"]
    assert "secret" not in reply.body.decode()
    assert request(address, "/predict", png(0)).status == 200


def test_a_body_over_the_limit_is_not_read(address: str) -> None:
    length = {"content-length": str(LIMITS.max_body_bytes + 1)}
    reply = request(address, "/predict", b"", length)  # what was promised never comes
    assert (reply.status, reply.json) == (413, {"detail": "a request of more than 1000000 bytes"})


def test_a_body_that_does_not_say_its_size_ends_at_the_limit(address: str) -> None:
    reply = request(address, "/predict", iter([bytes(400_000)] * 3))
    assert (reply.status, reply.json) == (413, {"detail": "a request of more than 1000000 bytes"})


def test_a_body_that_comes_too_slowly_is_given_up(predictor: Predictor, app: ASGIApp) -> None:
    def drip() -> Iterator[bytes]:
        yield b"x"
        time.sleep(0.5)
        yield b"x"

    impatient = Guard(app, host=HOST, max_body_bytes=100, max_seconds=0.1)
    with serving(impatient) as address:
        reply = request(address, "/predict", drip())
    assert (reply.status, reply.json) == (
        408,
        {"detail": "the request took more than 0.1 seconds to come"},
    )


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io"])
def test_a_name_that_is_not_of_this_machine_gets_nothing(address: str, host: str) -> None:
    """DNS rebinding: a page of evil.example, whose address is ours by now."""
    assert request(address, "/model", headers={"host": host}).status == 421


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80"])
def test_names_of_this_machine_are_answered(address: str, host: str) -> None:
    assert request(address, "/health", headers={"host": host}).json == {"status": "ok"}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://["]
)
def test_a_page_from_elsewhere_may_not_ask(address: str, origin: str) -> None:
    reply = request(address, "/predict", png(0), {"origin": origin})
    assert reply.status == 403
    assert reply.json == {"detail": "another site's page may not ask"}


@pytest.mark.parametrize("path", ["/", "/serve.js", "/predict", "/nowhere", "/openapi.json"])
def test_every_answer_keeps_the_page_to_itself(address: str, path: str) -> None:
    headers = request(address, path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert not [name for name in headers if name.startswith("access-control")]


def test_programs_find_the_description(address: str) -> None:
    description = request(address, "/openapi.json").json
    operation = description["paths"]["/predict"]["post"]
    assert set(operation["requestBody"]["content"]) == {
        "application/octet-stream",
        "application/json",
    }
    assert {"200", "400", "408", "413", "422", "503"} <= set(operation["responses"])
    model = request(address, "/model").json
    assert (model["vocabulary"], model["reads"]) == (VOCABULARY, True)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/..%2f..%2fparams.yaml", "/static/serve.js"])
def test_there_is_nothing_else(address: str, path: str) -> None:
    assert request(address, path).status == 404


@pytest.mark.parametrize("package", ["serve", "label"])
def test_a_page_names_only_files_that_come_with_it(package: str) -> None:
    folder = Path(str(resources.files(f"captcha_tagger.{package}"))) / "static"
    for page in folder.glob("*.html"):
        named = re.findall(r'(?:src|href)="([^"#]+)"', page.read_text(encoding="utf-8"))
        kept = {*(path.name for path in folder.iterdir()), "page.css", "report.css"}
        assert set(named) <= {*kept, "data:,", "openapi.json"}
