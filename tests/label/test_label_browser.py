"""The label command in a real browser: by keyboard alone; killed, and resumed where it was."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from captcha_tagger.drawing.sample import write_samples
from captcha_tagger.label.app import make_app
from captcha_tagger.reproduce.verify import environment
from captcha_tagger.serve.server import HOST
from tests.browser import find_chromium, open_browser
from tests.hostile import fill_folder, png
from tests.label.sitting import sit_down
from tests.project import make_project
from tests.repository import PARAMS_FILE, ROOT
from tests.runs import HOSTILE_NAMES
from tests.served import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
]
START_SECONDS = 300
HOSTILE_FILES = [name for name in HOSTILE_NAMES.values() if "/" not in name]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def truth(tmp_path: Path) -> dict[str, str]:
    """Drawn captchas whose names say nothing, and what they say."""
    write_samples(tmp_path / "named", 8, "2345678bcdefgmnpwxy", 5, seed=3)
    found = {}
    (tmp_path / "images").mkdir()
    for number, path in enumerate(sorted((tmp_path / "named").iterdir())):
        name = f"{number:04}.png"
        path.rename(tmp_path / "images" / name)
        found[name] = path.stem
    (tmp_path / "params.yaml").write_text(PARAMS_FILE.read_text(encoding="utf-8"))
    return found


@contextmanager
def labelling(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The command in a process of its own; yields its page's address. It is killed in the end."""
    words = [sys.executable, "-m", "captcha_tagger.commands.cli", "label", "images"]
    env = environment() | {"PYTHONPATH": str(ROOT / "src"), "DVC_ROOT": str(folder)}
    log = folder / "label.log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            words, cwd=folder, env=env, stdout=file, stderr=file, text=True, start_new_session=True
        ) as process,
    ):
        try:
            end = time.monotonic() + START_SECONDS
            while not (found := re.search(r"http://\S+", log.read_text())):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.2)
            yield found[0], process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def rows(folder: Path) -> dict[str, str]:
    with (folder / "labels.csv").open(newline="") as file:
        return {row["file"]: row["text"] for row in csv.DictReader(file)}


def type_one(page: Page, truth: dict[str, str]) -> str:
    """Accept or correct what is proposed, by the keyboard alone; returns the file."""
    expect(page.locator("#text")).to_be_focused()
    file = page.locator("#file").inner_text()
    proposed = page.locator("#text").input_value()
    if proposed != truth[file]:
        page.keyboard.type(truth[file])
    page.keyboard.press("Enter")
    expect(page.locator("#file")).not_to_have_text(file)
    return file


def test_a_sitting_by_the_keyboard_goes_on_after_a_kill(
    browser: Browser, truth: dict[str, str], tmp_path: Path
) -> None:
    page = browser.new_page()
    with labelling(tmp_path) as (address, process):
        page.goto(address)
        expect(page.locator("#text")).to_be_focused()
        done = [type_one(page, truth) for _ in range(3)]
        skipped = page.locator("#file").inner_text()
        page.keyboard.press("ArrowDown")
        expect(page.locator("#file")).not_to_have_text(skipped)
        page.keyboard.press("ArrowUp")
        expect(page.locator("#file")).to_have_text(skipped)
        os.killpg(process.pid, signal.SIGKILL)
        assert rows(tmp_path) == {file: truth[file] for file in done}
        page.keyboard.press("Enter")
        expect(page.locator("#problem")).to_contain_text("run captcha-tagger label again")
    with labelling(tmp_path) as (address, process):
        page.goto(address)
        expect(page.locator("#counts")).to_contain_text("3 of 8 labelled")
        for _ in range(4):
            type_one(page, truth)
        last = page.locator("#file").inner_text()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(truth[last])
        page.keyboard.press("Enter")
        expect(page.locator("#done")).to_be_visible()
        assert rows(tmp_path) == truth
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "8 rows in labels.csv" in (tmp_path / "label.log").read_text()
    page.close()


@pytest.fixture
def page_address(tmp_path: Path) -> Iterator[str]:
    folder = fill_folder(tmp_path / "in", ["0001", "0002"])
    for number, name in enumerate(HOSTILE_FILES):
        (folder / name).write_bytes(png(10 + number))
    with serving(make_app(sit_down(folder, tmp_path / "labels.csv"), "t0ken", HOST)) as address:
        yield f"{address}t0ken/"


@pytest.mark.parametrize("key", ["Enter", "ArrowDown"])
def test_a_key_that_is_held_down_answers_one_image(
    browser: Browser, page_address: str, key: str
) -> None:
    page = browser.new_page()
    page.goto(page_address)
    expect(page.locator("#text")).to_be_focused()
    first = page.locator("#file").inner_text()
    page.keyboard.type("ab1")
    page.keyboard.down(key)
    expect(page.locator("#file")).not_to_have_text(first)
    second = page.locator("#file").inner_text()
    for _ in range(3):
        page.keyboard.down(key)  # as a keyboard repeats it
        page.wait_for_timeout(200)
    assert page.locator("#file").inner_text() == second
    page.keyboard.up(key)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_everyone_can_use_it(
    browser: Browser, page_address: str, scheme: str, width: int
) -> None:
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 800},
        reduced_motion="reduce",
    )
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on(
        "request",
        lambda request: (
            request.url.startswith((page_address, "data:")) or problems.append(request.url)
        ),
    )
    page.goto(page_address)
    shown = set()
    while page.locator("#done").is_hidden():
        expect(page.locator("#text")).to_be_focused()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert [v["id"] for v in Axe().run(page).response["violations"]] == []
        before = page.locator("#file").inner_text()
        shown.add(before)
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(300)
        assert page.locator("#done").is_visible() or page.locator("#file").inner_text() != before
    assert [v["id"] for v in Axe().run(page).response["violations"]] == []
    assert shown == {"0001.png", "0002.png", *HOSTILE_FILES}
    assert page.locator("img[src=x], #file *").count() == 0
    assert problems == []
    context.close()


def test_training_takes_what_is_labelled_and_proposes_next(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    images = sorted((project.root / "images").iterdir())
    table = ["file,text"]
    for number, path in enumerate(images):
        path.rename(path.with_name(f"{number:04}.png"))
        if number < 30:
            table.append(f"{number:04}.png,{path.stem.partition('_')[0]}")
    (project.root / "labels.csv").write_text("\n".join(table) + "\n")
    with labelling(project.root):
        assert "proposals by the shipped backbone" in (project.root / "label.log").read_text()
    project.set_params(ingest={"max_rejected": 1.0})
    project.dvc("repro", CAPTCHA_TAGGER_RECORD="off")
    with labelling(project.root) as (address, _):
        assert "proposals by data/fine_tune/model" in (project.root / "label.log").read_text()
        with urllib.request.urlopen(f"{address}state") as answer:
            state = json.load(answer)
        assert (state["labelled"], state["images"]) == (30, 40)
