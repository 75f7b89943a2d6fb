"""Make the pictures of the README from a finished run, in a real Chromium.

    python docs/screenshots.py [data] [docs]

Meant for a run on drawn captchas: pictures of other people's images do not belong in a repository.
"""

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import open_browser  # noqa: E402

WIDTH, HEIGHT = 1280, 1000
COLORS = 256  # of the palette; fewer lose the thin coloured lines
SHOTS = {
    "report.png": ("light", "#top-losses"),
    "report-summary.png": ("dark", "#summary"),
    "report-training.png": ("light", "#training"),
}


def main(data: Path = Path("data"), docs: Path = Path("docs")) -> None:
    page_file = (data / "top_losses" / "report.html").resolve()
    with open_browser() as browser:
        for name, (scheme, section) in SHOTS.items():
            context = browser.new_context(
                color_scheme=scheme,  # type: ignore[arg-type]
                viewport={"width": WIDTH, "height": HEIGHT},
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto(page_file.as_uri())
            page.locator(section).scroll_into_view_if_needed()
            page.evaluate(f"document.querySelector('{section}').scrollIntoView()")
            page.locator(".card canvas").nth(5).wait_for()
            page.screenshot(path=docs / name)
            shrink(docs / name)
            context.close()
            print(f"{docs / name}: {(docs / name).stat().st_size / 1000:.0f} kB")


def shrink(path: Path) -> None:
    """Reduce the picture to a palette, half of the bytes; dithering keeps its gradients smooth."""
    with Image.open(path) as picture:
        colors = picture.convert("RGB")
    palette = colors.quantize(COLORS, Image.Quantize.MAXCOVERAGE)
    colors.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
