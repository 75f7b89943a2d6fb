"""How large the page is, how fast it is written, and how fast it opens.

    python benchmarks/report.py [--images 5000]

The images are drawn captchas; their answers are invented, a fifth of the images wrong. The evidence
is a bump on a noisy floor, which deflates no better than a trained model's. Opening is the time in
Chromium from the request to the first card with its evidence. Exits with 1 beyond a limit.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from captcha_tagger.base.settings import read_params  # noqa: E402
from captcha_tagger.drawing.kaggle import draw_kaggle  # noqa: E402
from captcha_tagger.report.report import write_report  # noqa: E402
from captcha_tagger.report.results import Results  # noqa: E402
from tests.browser import find_chromium, open_browser  # noqa: E402
from tests.runs import load_run, write_run  # noqa: E402

LABELS = "2345678bcdefgmnpwxy"
GRIDS = {"noisy_or": (1, 25), "concat (Grad-CAM)": (7, 25)}
LIMITS = {
    "megabytes": 25.0,
    "seconds to write": 20.0,
    "CPU seconds to write": 20.0,  # what a busy machine does not hide
    "seconds to open": 3.0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000, help="in the validation part")
    images = parser.parse_args().images
    print("| pooling | images | " + " | ".join(LIMITS) + " |\n|---|---|---|---|---|---|")
    kept = True
    for pooling, grid in GRIDS.items():
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(make_results(Path(folder), images, grid), Path(folder))
        kept &= not any(value > LIMITS[name] for name, value in measured.items())
        print(
            f"| {pooling} | {images} | " + " | ".join(f"{v:.2f}" for v in measured.values()) + " |"
        )
    sys.exit(0 if kept else 1)


def make_results(folder: Path, images: int, grid: tuple[int, int]) -> Results:
    data = write_run(folder, images=2 * images, labels=LABELS, grid=grid, size=(50, 200), noise=1.0)
    results = load_run(data)
    generator = np.random.default_rng(0)
    pixels = np.array(results.pixels)
    texts = [results.rows[row].text for row in results.validation]
    pixels[results.validation, 0] = draw_kaggle(texts, generator).pixels.numpy()
    rows, columns = np.indices(grid)
    places = generator.random((2, *results.probs.shape, 1, 1)) * np.reshape(grid, (2, 1, 1, 1, 1))
    bump = np.exp(-((rows - places[0]) ** 2 + (columns - places[1]) ** 2) / 3)
    floor = 0.1 * generator.random(results.evidence.shape)
    evidence = (np.maximum(bump, floor) * results.probs[:, :, None, None]).astype(np.float16)
    return replace(results, pixels=pixels, evidence=evidence)


def measure(results: Results, folder: Path) -> dict[str, float]:
    page = folder / "report.html"
    params = read_params(ROOT / "params.yaml")
    start, cpu_start = time.perf_counter(), time.process_time()
    write_report(page, results, params, page_images=10**6)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    figures = (page.stat().st_size / 1e6, wall, cpu, open_page(page))
    return dict(zip(LIMITS, figures, strict=True))


def open_page(path: Path) -> float:
    """Seconds until the first card shows its evidence, best of three; nan without a Chromium."""
    if find_chromium() is None:
        return float("nan")
    with open_browser() as browser:
        return min(open_once(browser, path) for _ in range(3))


def open_once(browser: Browser, path: Path) -> float:
    page = browser.new_page()
    start = time.perf_counter()
    page.goto(path.as_uri())
    page.locator(".card canvas").first.wait_for()
    seconds = time.perf_counter() - start
    page.close()
    return seconds


if __name__ == "__main__":
    main()
