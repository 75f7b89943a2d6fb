"""Pictures of two experiments in the MLflow UI, taken in a real Chromium.

python benchmarks/tracking_screens.py RUN_A RUN_B FOLDER

Runs as `captcha-tagger compare` takes them. Writes mlflow-compare.png: the params that differ, and
the metrics that do, per-label F1 among them.
It needs the store of the two runs, and a Chromium that playwright finds or that is installed.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from captcha_tagger.tracking import registry
from captcha_tagger.tracking import store as tracking

WIDTH, HEIGHT = 1200, 1060
FOLDED = ("Visualizations", "Run details", "Artifacts", "Tags")
WAIT_MS = 120_000
TO_LABELS, WHEEL = 690, 30  # pixels down the list of metrics, in turns of the wheel
SETTLE_MS = 2000


def main(name_a: str, name_b: str, folder: Path) -> None:
    client = tracking.connect()
    runs = [registry.find_run(client, name) for name in (name_a, name_b)]
    experiment = tracking.ensure_experiment(client)
    name = client.get_run(runs[1]).info.run_name
    port = _free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "captcha_tagger.commands.cli", "ui", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/health")
        folder.mkdir(parents=True, exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            query = f"runs={json.dumps(runs)}&experiments={json.dumps([experiment])}"
            page.goto(f"{address}/#/compare-runs?{query}")
            page.get_by_text(name).first.wait_for(timeout=WAIT_MS)
            show_differences(page)
            page.screenshot(path=folder / "mlflow-compare.png")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def show_differences(page: Page) -> None:
    """Fold away everything but the params and metrics that differ."""
    page.get_by_label("Close").click()
    for section in FOLDED:
        page.get_by_role("button", name=section, exact=True).click()
    for section in ("Parameters", "Metrics"):
        page.get_by_label(f"{section} - Show diff only").click()
    page.get_by_text("average_precision", exact=True).hover()
    page.mouse.move(WIDTH / 2, HEIGHT * 3 / 4)  # over the values
    for pixels in [*[WHEEL] * (TO_LABELS // WHEEL), 1]:  # the names are one event behind
        page.mouse.wheel(0, pixels)
        page.wait_for_timeout(100)
    page.wait_for_timeout(SETTLE_MS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise SystemExit(f"{url} does not answer")


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("run_a")
    parser.add_argument("run_b")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    main(arguments.run_a, arguments.run_b, arguments.folder)
