import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from captcha_tagger.base.errors import InputError
from captcha_tagger.compare.page import Side, write_comparison
from tests.browser import find_chromium, open_browser
from tests.runs import write_run

needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page about a run and one that has other answers to the same images."""
    folder = tmp_path_factory.mktemp("runs")
    a, b = (write_run(folder / name) for name in "ab")
    probs = np.load(b / "evaluate" / "probs.npy")
    np.save(b / "evaluate" / "probs.npy", probs[:, ::-1])
    sides = Side("<b>main</b>", a, {"split": {"seed": 1}}), Side("new", b, {"split": {"seed": 2}})
    write_comparison(folder / "compare.html", *sides)
    return folder / "compare.html"


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


def test_a_folder_without_a_run_is_one_clear_line(page, tmp_path):
    side = Side("empty", tmp_path, {})
    with pytest.raises(InputError, match=r"manifest.jsonl: no such file; run dvc repro first"):
        write_comparison(tmp_path / "compare.html", side, side)


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
