import html
import re
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe

from captcha_tagger.compare.differences import compare
from captcha_tagger.compare.page import write_comparison
from tests.browser import find_chromium, open_browser
from tests.compare.sides import make_side, read_run
from tests.runs import write_run

needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """A run, and one that makes each error at the next image."""
    folder = tmp_path_factory.mktemp("runs")
    a, b = (write_run(folder / name) for name in "ab")
    b = read_run("new", b, split={"seed": 2})
    shifted = [
        replace(one, missed=other.missed, invented=other.invented)
        for one, other in zip(b.answers, [*b.answers[1:], b.answers[0]], strict=True)
    ]
    return read_run("<b>main</b>", a, split={"seed": 1}), replace(b, answers=shifted)


@pytest.fixture(scope="module")
def page(sides, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "compare.html"
    write_comparison(path, compare(*sides))
    return path


def test_the_page_runs_no_script_and_fetches_nothing(page):
    text = page.read_text(encoding="utf-8")
    assert "script-src &#39;none&#39;" in text
    assert "<script" not in text
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", text)


def test_names_and_params_are_told_apart_and_escaped(page):
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;main&lt;/b&gt;" in text
    assert "<b>main" not in text
    assert "split.seed" in text


def test_the_page_shows_what_differs(page, sides):
    text = " ".join(page.read_text(encoding="utf-8").split())
    found = compare(*sides)
    assert found.broken
    assert found.mended
    for pairs, title in ((found.broken, "Right in A, wrong in B"), (found.mended, "Wrong in A,")):
        assert f"{title}" in text
        for pair in pairs:
            assert html.escape(pair.b.file) in text
    for pair in found.metrics:
        for score in (pair.a, pair.b):
            assert f"<td>{100 * score.value:.1f}" in text
    assert "right when its set of labels is. McNemar's exact test on sets, p" in text
    assert text.count("<figure") == 5
    assert text.count('<img src="data:') == len(found.broken) + len(found.mended)


def test_where_both_read_the_page_shows_what_was_read(tmp_path):
    greedy, beam = make_side("greedy", "++", read="+-"), make_side("beam", "++", read="++")
    nothing = replace(greedy, answers=[*greedy.answers[:1], replace(greedy.answers[1], read="")])
    for a, says in ((greedy, "ba"), (nothing, "nothing")):
        write_comparison(tmp_path / "compare.html", compare(a, beam))
        text = " ".join((tmp_path / "compare.html").read_text(encoding="utf-8").split())
        assert "B gets 1 right that A gets wrong" in text
        assert "right when its whole text is read, in order. McNemar's exact test on texts" in text
        assert f"A: read {says}<br>B: read ab<" in text


def test_without_curves_and_images_the_page_still_names_what_changed(sides, tmp_path):
    """A run that only MLflow has keeps no images."""
    bare = [
        replace(side, epochs=[], images=None,
                answers=[replace(answer, pixels=None) for answer in side.answers])
        for side in sides
    ]  # fmt: skip
    found = compare(*bare)
    write_comparison(tmp_path / "compare.html", found)
    text = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert "<figure" not in text
    for pair in (*found.broken, *found.mended):
        assert html.escape(pair.b.file) in text


def test_a_picture_comes_from_the_side_that_has_it(sides, tmp_path):
    a, b = sides
    found = compare(replace(a, images=None), b)
    write_comparison(tmp_path / "one.html", found)
    write_comparison(tmp_path / "two.html", compare(a, replace(b, images=None)))
    one, two = ((tmp_path / name).read_text() for name in ("one.html", "two.html"))
    assert one == two
    assert "<img" in one


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_everyone_can_use_it(page, scheme, width):
    with open_browser() as browser:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        tab = context.new_page()
        problems = []
        tab.on("console", lambda message: problems.append(message.text))
        tab.goto(page.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        violations = Axe().run(tab).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in violations] == []
    assert problems == []
