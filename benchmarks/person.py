"""A person at the pages, in a real Chromium: ticks wrong names, types texts, by the truth."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fresh_clone import FreshClone
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.browser import open_browser

START_SECONDS, PAGE_SECONDS = 1800, 300  # on a busy machine


class Sitting(NamedTuple):
    """What the label command said, without its address, and how many texts stood as proposed."""

    said: str
    counts: str
    accepted: int
    typed: int


def tick_names(report: Path, truth: Mapping[str, str], table: Path) -> int:
    """Tick the names of the page that are wrong, and save what it downloads; return how many."""
    with open_browser() as browser:
        page = browser.new_page()
        page.goto(report.resolve().as_uri())
        ticked = 0
        for row in page.locator("#names .scroll tbody tr").all():
            file = row.locator(".file").inner_text()
            if row.locator("td.label").first.inner_text() == truth[file]:
                continue
            row.get_by_role("textbox").fill(truth[file])
            ticked += 1
        if ticked:
            with page.expect_download() as saved:
                page.locator("#download").click()
            saved.value.save_as(table)
        return ticked


def sit_down(clone: FreshClone, line: str, truth: Mapping[str, str], number: int) -> Sitting:
    """Give so many images their texts on the page of the label command, by the keyboard alone."""
    accepted = 0
    with _command(clone, line) as (process, address, log), open_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(PAGE_SECONDS * 1000)
        expect.set_options(timeout=PAGE_SECONDS * 1000)
        page.goto(address)
        for _ in range(number):
            accepted += _answer(page, truth)
        counts = page.locator("#counts").inner_text()
        process.send_signal(signal.SIGINT)
        process.wait()
        said = log.read_text(encoding="utf-8").replace(address, "http://127.0.0.1:PORT/TOKEN/")
    return Sitting(said, counts, accepted, number - accepted)


def _answer(page: Page, truth: Mapping[str, str]) -> bool:
    """Press Enter, after typing where another text is proposed; return whether none had to be."""
    expect(page.locator("#text")).to_be_focused()
    file, proposed = page.locator("#file").inner_text(), page.locator("#text").input_value()
    if proposed != truth[file]:
        page.keyboard.type(truth[file])  # over what is proposed, which is selected
    page.keyboard.press("Enter")
    page.wait_for_function(
        "file => !document.getElementById('done').hidden"
        " || document.getElementById('file').textContent !== file",
        arg=file,
    )
    return proposed == truth[file]


@contextmanager
def _command(clone: FreshClone, line: str) -> Iterator[tuple["subprocess.Popen[bytes]", str, Path]]:
    """The command while its page is there; its address, and the file that holds what it says."""
    log = clone.root.parent / "label.log"
    with log.open("wb") as file, subprocess.Popen(
        ["bash", "-c", f"exec {line}"], cwd=clone.root, env=clone.environment(),
        stdout=file, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while not (found := re.search(r"http://\S+", log.read_text(encoding="utf-8"))):
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                raise SystemExit(f"$ {line}\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.2)
        try:
            yield process, found[0], log
        finally:
            process.kill()
