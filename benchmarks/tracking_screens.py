"""Pictures of two experiments in the MLflow UI, taken in a real Chromium.

python benchmarks/tracking_screens.py RUN_A RUN_B FOLDER

Runs as `captcha-tagger compare` takes them. Writes compare.png and runs.png.
It needs the store of the two runs, and a Chromium that playwright finds or that is installed.
"""

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

from captcha_tagger import registry, tracking

WIDTH, HEIGHT = 1400, 900
SETTLE_MS = 4000  # charts draw after the network is quiet


def main(name_a: str, name_b: str, folder: Path) -> None:
    client = tracking.connect()
    runs = [registry.find_experiment(client, name) for name in (name_a, name_b)]
    experiment = tracking.ensure_experiment(client)
    port = _free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "captcha_tagger.cli", "ui", "--port", str(port)],
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
            _take(page, folder / "compare.png")
            page.goto(f"{address}/#/experiments/{experiment}/runs")
            _take(page, folder / "runs.png")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _take(page: Page, path: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=path, full_page=True)


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
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
