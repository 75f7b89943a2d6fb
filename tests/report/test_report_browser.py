"""The page in a real browser: it loads alone, does what it says, and everyone can use it."""

from dataclasses import replace

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from captcha_tagger.base.settings import read_params
from captcha_tagger.ingest.corrections import Correction, read_corrections, write_corrections
from captcha_tagger.report.report import write_report
from tests.browser import find_chromium, open_browser
from tests.repository import PARAMS_FILE
from tests.runs import HOSTILE_NAMES, load_run, write_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
]
SCHEMES, WIDTHS = ("light", "dark"), (1280, 390)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load_run(write_run(tmp_path_factory.mktemp("run"), images=160))


@pytest.fixture(scope="module")
def url(results, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, results, read_params(PARAMS_FILE), page_images=5000)
    return path.as_uri()


@pytest.fixture(scope="module")
def doubting_url(results, tmp_path_factory):
    """A page about a model that is right and sure, and sure that one name is wrong."""
    probs = np.where(results.targets, 0.98, 0.02).astype(np.float32)
    missed, invented = np.flatnonzero(results.targets[0])[0], np.flatnonzero(~results.targets[0])[0]
    probs[0, [missed, invented]] = 0.04, 0.97
    path = tmp_path_factory.mktemp("page") / "doubting.html"
    doubting = replace(results, probs=probs)
    write_report(path, doubting, read_params(PARAMS_FILE), page_images=5000)
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser, url):
    """Open the page and collect what goes wrong; anything that did fails the test."""
    contexts, problems = [], []

    def open_page(scheme="light", width=1280, at=url):
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: note_request(request.url, at))
        page.goto(at)
        page.wait_for_selector(".card")
        return page

    def note_request(address, at):
        if address != at and not address.startswith(("data:", "blob:")):
            problems.append(f"request: {address}")

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def cards(page):
    return page.locator(".card").evaluate_all("cards => cards.map((card) => card.dataset.file)")


def found(page):
    """How many images match, as the page says."""
    text = page.locator("#found").inner_text()
    return int(text.split(" of ")[1]) if " of " in text else 0


def files(results, mask):
    return {results.rows[results.validation[n]].file for n in range(len(mask)) if mask[n]}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_and_everyone_can_use_it(visit, scheme, width):
    page = visit(scheme, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for details in page.locator("summary").all():
        details.click()
    page.locator(".see").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], v["impact"], v["nodes"][0]["html"]) for v in violations] == []


def test_the_colours_follow_the_scheme(visit):
    backgrounds = [
        visit(scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in SCHEMES
    ]
    assert backgrounds == ["rgb(255, 255, 255)", "rgb(21, 24, 28)"]


def test_a_hostile_file_name_is_shown_as_text(visit):
    page = visit()
    page.select_option("[name=kind]", "any")
    page.fill("[name=text]", "onerror")
    expect(page.locator(".card")).to_have_count(1)
    assert page.locator(".card h3").all_inner_texts() == [HOSTILE_NAMES[0]]
    assert page.locator("img[src=x]").count() == 0


def test_the_worst_image_comes_first(visit, results):
    page = visit()
    worst = [results.rows[results.validation[n]].file for n in results.worst_first.tolist()]
    wrong = [file for file in worst if file in files(results, results.wrong)]
    assert cards(page) == wrong[: len(cards(page))]
    assert found(page) == len(wrong)


def test_the_order_can_be_turned(visit, results):
    page = visit()
    page.select_option("[name=kind]", "any")
    page.select_option("[name=sort]", "loss-up")
    best = results.rows[results.validation[int(results.worst_first[-1])]].file
    assert cards(page)[0] == best
    page.select_option("[name=sort]", "file-up")
    assert cards(page) == sorted(cards(page))


@pytest.mark.parametrize("kind", ["missed", "invented"])
def test_a_label_and_a_kind_of_error_narrow_the_images(visit, results, kind):
    page = visit()
    page.select_option("[name=kind]", kind)
    assert found(page) == getattr(results, kind).any(1).sum()
    page.select_option("[name=label]", label="<")
    column = results.vocabulary.index("<")
    page.locator("[name=count]").fill(str(found(page)))
    assert set(cards(page)) == files(results, getattr(results, kind)[:, column])


def test_images_sort_by_the_chosen_label_s_prob(visit, results):
    page = visit()
    page.select_option("[name=kind]", "any")
    page.select_option("[name=label]", label="a")
    for sort, sign in (("prob-down", -1), ("prob-up", 1)):
        page.select_option("[name=sort]", sort)
        column = results.vocabulary.index("a")
        probs = {
            results.rows[row].file: float(prob)
            for row, prob in zip(results.validation, results.probs[:, column], strict=True)
        }
        shown = [probs[file] for file in cards(page)]
        assert shown == sorted(shown, key=lambda prob: sign * round(prob, 4))


def test_a_text_finds_its_images(visit, results):
    page = visit()
    page.select_option("[name=kind]", "any")
    text = results.rows[results.validation[5]].text
    page.fill("[name=text]", text)
    assert results.rows[results.validation[5]].file in cards(page)
    page.fill("[name=text]", "no such text")
    assert cards(page) == []
    assert page.locator("#found").inner_text() == "No image matches."


def test_the_slider_says_how_many(visit, results):
    page = visit()
    for count in (3, 30, 1):
        page.locator("[name=count]").fill(str(count))
        page.locator("#more").scroll_into_view_if_needed()
        expect(page.locator(".card")).to_have_count(count)


def test_evidence_appears_where_the_model_saw_the_chosen_label(visit, results):
    page = visit()
    page.uncheck("[name=evidence]")
    card = page.locator(".card").first
    assert card.locator("canvas").count() == 0
    position = int(results.worst_first[results.wrong[results.worst_first]][0])
    label = results.spell(results.targets[position])[0]
    button = card.get_by_role("button", name=f"Where the model saw {label}", exact=True)
    button.click()
    card.locator("canvas").wait_for()
    assert button.get_attribute("aria-pressed") == "true"
    evidence = results.evidence[position, results.vocabulary.index(label), 0].astype(float)
    caption = card.locator(".caption").inner_text()
    expect(page.locator("#announcement")).to_have_text(caption)
    assert f"Evidence of {label}: strongest {evidence.max():.2f}"[:-1] in caption
    alphas = card.locator("canvas").evaluate(
        """(canvas) => {
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, height / 2, width, 1);
          return Array.from({ length: width }, (_, x) => data[4 * x + 3]);
        }"""
    )
    peak = alphas.index(max(alphas)) / len(alphas)
    assert abs(peak - (evidence.argmax() + 0.5) / len(evidence)) < 0.1
    button.click()
    assert card.locator("canvas").count() == 0
    assert button.get_attribute("aria-pressed") == "false"


def test_every_image_starts_with_the_evidence_of_the_costliest_or_the_chosen_label(visit):
    page = visit()
    expect(page.locator(".card .caption:not(:empty)")).to_have_count(24)
    assert page.locator(".card tbody tr:first-child [aria-pressed=true]").count() == 24
    page.select_option("[name=label]", label="a")
    expect(page.locator(".card:not([data-evidence=a])")).to_have_count(0)


def test_every_label_of_an_image_can_be_reached_by_keyboard(visit, results):
    page = visit()
    card = page.locator(".card").first
    card.locator(".others").focus()
    page.keyboard.press("Enter")
    assert card.locator(".see").count() == len(results.vocabulary)
    assert page.evaluate("document.activeElement.className").startswith("see")
    page.keyboard.press("Space")
    card.locator(".caption:not(:empty)").wait_for()


def test_the_table_of_labels_sorts_both_ways_and_leads_to_the_errors(visit, results):
    page = visit()
    heading = page.locator("#label-table th", has_text="support")
    supports = results.targets.sum(0).tolist()
    for direction in ("ascending", "descending"):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == direction
        shown = page.locator("#label-table tbody tr td:nth-child(5)").all_inner_texts()
        assert list(map(int, shown)) == sorted(supports, reverse=direction == "descending")
    dash = page.locator("#label-table tbody td:nth-child(5)").first
    dash.evaluate("(cell) => { cell.dataset.value = 'nan'; cell.textContent = '–'; }")
    for _ in range(2):
        heading.locator("button").click()
        *numbers, last = page.locator("#label-table tbody tr td:nth-child(5)").all_inner_texts()
        assert last == "–"
        assert list(map(int, numbers)) in (
            sorted(map(int, numbers)),
            sorted(map(int, numbers))[::-1],
        )
    page.get_by_role("button", name="Errors with label &", exact=True).click()
    column = results.vocabulary.index("&")
    errors = (results.missed | results.invented)[:, column]
    assert found(page) == errors.sum()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everyone_can_correct_a_doubtful_name(visit, doubting_url, scheme, width):
    page = visit(scheme, width, at=doubting_url)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], v["impact"], v["nodes"][0]["html"]) for v in violations] == []


def test_ticked_rows_become_corrections_beside_those_of_today(visit, doubting_url, tmp_path):
    page = visit(at=doubting_url)
    download = page.get_by_role("button", name="Download corrections.csv")
    expect(download).to_be_disabled()
    row = page.locator("#names .scroll tbody tr").first
    file, named = row.locator(".file").inner_text(), row.locator("td.label").first.inner_text()
    row.get_by_role("textbox").fill("")
    expect(page.locator("#ticked")).to_have_text(f"{file} needs a text")
    row.get_by_role("textbox").fill("-x,y")  # a formula to a spreadsheet, and a comma
    expect(page.locator("#ticked")).to_have_text("1 ticked")
    with page.expect_download() as saved:
        download.press("Enter")
    assert file == HOSTILE_NAMES[0]
    assert saved.value.suggested_filename == "corrections.csv"
    path = tmp_path / "corrections.csv"
    saved.value.save_as(path)
    found = read_corrections(path, "keep")
    assert found == {
        "old.png": Correction("abcd", 'a, quoted "why"'),
        "=1.png": Correction("drop", "'blank"),
        " 1.png": Correction("drop", ""),
        file: Correction("-x,y", f"named {named}, reviewed on the page"),
    }
    write_corrections(tmp_path / "again.csv", found)
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


def test_a_name_is_corrected_by_the_keyboard_alone(visit, doubting_url, tmp_path):
    page = visit(at=doubting_url)
    page.locator("#names .scroll").focus()
    for key in ("Tab", "Space", "Tab"):
        page.keyboard.press(key)
    expect(page.locator("#ticked")).to_have_text("1 ticked")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("bcd")
    for _ in range(2):  # past the button that shows the image
        page.keyboard.press("Tab")
    expect(page.locator("#download")).to_be_focused()
    with page.expect_download() as saved:
        page.keyboard.press("Enter")
    path = tmp_path / "corrections.csv"
    saved.value.save_as(path)
    assert read_corrections(path, "keep")[HOSTILE_NAMES[0]].text == "bcd"


def test_printing_shows_the_tables(visit):
    page = visit()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert not page.locator(".toolbar").is_visible()
