"""Differences as one page: metrics, curves overlaid, labels side by side, images that changed."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from captcha_tagger.compare.differences import Differences, ImagePair
from captcha_tagger.compare.side import Judged, ScoredImage, Side
from captcha_tagger.report.page import write_page
from captcha_tagger.report.plots.charts import draw_chart
from captcha_tagger.report.plots.curves import plot_epochs
from captcha_tagger.report.report import CAPTIONS
from captcha_tagger.report.thumbnails import encode_image

SHOWN_CHANGES = 200  # images of each kind; more would only be scrolled past


def write_comparison(path: Path, found: Differences) -> None:
    """Write the page; curves and pictures as far as the sides have them."""
    a, b = found.a, found.b
    plots = plot_epochs((a.name, b.name), (a.epochs, b.epochs)) if a.epochs and b.epochs else []
    scores = [score for pair in found.labels for score in (pair.a, pair.b) if score is not None]
    write_page(
        path,
        "compare.html.j2",
        style=["page.css", "compare.css"],
        script=[],
        data=None,
        context={
            "found": found,
            "captions": {name: caption for name, (caption, _) in CAPTIONS.items()},
            "charts": [draw_chart(plot) for plot in plots],
            "low": _round_down(scores),
            "broken": _describe(found.broken, found),
            "mended": _describe(found.mended, found),
        },
    )


def _round_down(scores: Sequence[float]) -> float:
    """The tenth below every score, where a picture of them may start; below 1."""
    return min(math.floor(10 * min(scores, default=0.0)) / 10, 0.9)


def _describe(pairs: Sequence[ImagePair], found: Differences) -> list[dict[str, Any]]:
    return [
        {
            "file": pair.b.file,
            "picture": _find_picture(pair.b.file, found.b, found.a),
            "a": _say_answer(pair.a, found.judged),
            "b": _say_answer(pair.b, found.judged),
        }
        for pair in pairs[:SHOWN_CHANGES]
    ]


def _find_picture(file: str, *sides: Side) -> str:
    """From the first side that has the image, else nothing."""
    for side in sides:
        if side.images and file in side.images.places:
            return encode_image(side.images.pixels[side.images.places[file]])
    return ""


def _say_answer(answer: ScoredImage, judged: Judged) -> str:
    """`read abbd`; of sets `missed b, invented d`, or `right`."""
    if judged == "texts":
        return f"read {answer.read or 'nothing'}"
    missed = f"missed {answer.missed}" if answer.missed else ""
    invented = f"invented {answer.invented}" if answer.invented else ""
    return ", ".join(part for part in (missed, invented) if part) or "right"
