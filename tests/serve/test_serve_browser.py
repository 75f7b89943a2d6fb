"""The serve command in a real browser: pick, drop, paste; everyone can use it, nothing leaves."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from captcha_tagger.data.pixels import Shape
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.predict.predictor import Predictor
from captcha_tagger.serve.app import make_app
from captcha_tagger.serve.decoder import Decoder
from captcha_tagger.serve.params import Serve
from captcha_tagger.serve.server import HOST
from captcha_tagger.source.decoding_process import DecodingProcess
from tests.browser import find_chromium, open_browser
from tests.conftest import make_tagger
from tests.hostile import png
from tests.runs import HOSTILE_NAMES
from tests.served import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
]
LIMITS = Serve(max_body_bytes=1_000_000, max_images=3, max_image_pixels=1_000_000, max_seconds=60)
REFUSED = "the server responded with a status of"  # as the browser itself logs refusals
DROP = """([kind, name, data]) => {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type: "image/png" }));
    const event = kind === "drop"
        ? new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true })
        : new ClipboardEvent(kind, { clipboardData: transfer, bubbles: true });
    document.getElementById("ask").dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(make_tagger(), folder)
    predictor = Predictor(folder)
    shape = Shape(*predictor.card.shape)
    with (
        DecodingProcess(max_pixels=1_000_000, max_seconds=60) as process,
        serving(make_app(predictor, Decoder(shape, process), LIMITS, HOST)) as address,
    ):
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open the page and collect what goes wrong; anything that did fails the test."""
    contexts, problems = [], []

    def open_page(scheme: str = "light", width: int = 1280) -> Page:
        context = browser.new_context(
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: REFUSED in message.text or problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: note(request.url))
        page.goto(address)
        expect(page.locator("#facts")).to_contain_text("abcd")
        return page

    def note(url: str) -> None:
        if not url.startswith((address, "data:")):
            problems.append(f"request: {url}")

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def pick(page: Page, *files: tuple[str, bytes]) -> None:
    page.set_input_files(
        "#files",
        [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files],
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_everyone_can_use_it(
    visit: Callable[..., Page], scheme: str, width: int
) -> None:
    page = visit(scheme, width)
    pick(page, ("a.png", png(0)), ("none.png", b"none"), (f"{'long' * 40}.png", png(1)))
    expect(page.locator("#status")).to_have_text("3 images, 1 not usable")
    page.locator("summary").click()
    if page.locator(".see").count():
        page.locator(".see").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], v["impact"], v["nodes"][0]["html"]) for v in violations] == []


def test_the_page_says_what_the_endpoint_says(visit: Callable[..., Page], address: str) -> None:
    page = visit()
    pick(page, ("a.png", png(0)))
    expect(page.locator(".text")).to_have_count(1)
    reply = page.request.post(f"{address}predict", data=png(0))
    (answer,) = reply.json()["predictions"]
    assert page.locator(".text").inner_text() == (answer["text"] or "nothing")
    assert page.locator(".chips .see").count() == len(answer["labels"])
    assert page.locator(".reading .step").count() == len(answer["text"])


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_an_image_is_dropped_or_pasted(visit: Callable[..., Page], kind: str) -> None:
    page = visit()
    page.evaluate(DROP, [kind, "here.png", base64.b64encode(png(0)).decode()])
    expect(page.locator(".card h3")).to_have_text("here.png")
    expect(page.locator(".card img")).to_have_count(1)


def test_a_hostile_file_name_is_shown_as_text(visit: Callable[..., Page]) -> None:
    page = visit()
    names = [name for name in HOSTILE_NAMES.values() if "/" not in name]
    pick(page, *((name, png(0)) for name in names), ("<b>.png", b"<svg onload=alert(1)>"))
    expect(page.locator(".card img")).to_have_count(len(names))
    expect(page.locator(".refused")).to_have_count(1)
    assert page.locator(".card h3").all_inner_texts() == [*names, "<b>.png"]
    assert page.locator("img[src=x], .card b, .card svg").count() == 0


def test_the_keyboard_is_enough(visit: Callable[..., Page], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    page = visit()
    page.keyboard.press("Tab")  # the link that skips
    page.keyboard.press("Tab")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(tmp_path / "a.png")
    expect(page.locator("#status")).to_have_text("1 image")
    if page.locator(".see").count():
        page.locator(".see").first.focus()
        page.keyboard.press("Space")
        expect(page.locator(".picture canvas")).to_have_count(1)
    page.locator("#clear").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(0)


def test_a_server_that_is_gone_is_said(visit: Callable[..., Page]) -> None:
    page = visit()
    page.route("**/predict*", lambda route: route.fulfill(status=503, json={"detail": "busy"}))
    pick(page, ("a.png", png(0)))
    expect(page.locator(".refused")).to_have_text("busy")
