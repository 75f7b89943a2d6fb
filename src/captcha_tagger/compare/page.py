"""Two runs on one page: metrics, curves overlaid, labels side by side, images that changed.

Two folders as data/ and the params that made them -> compare.html.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captcha_tagger.compare.comparison import mcnemar
from captcha_tagger.compare.contrast import (
    Shared,
    find_broken,
    find_mended,
    list_differences,
    pair_labels,
    share_images,
)
from captcha_tagger.report.charts import Chart, Series, draw_lines
from captcha_tagger.report.curves import read_points
from captcha_tagger.report.page import write_page
from captcha_tagger.report.report import HEADLINES
from captcha_tagger.report.results import Results, load_run
from captcha_tagger.report.thumbnails import encode_image

CHANCE = 0.05  # the p above which a difference is no news
SHOWN_CHANGES = 200  # images of each kind; more would only be scrolled past


@dataclass(frozen=True)
class Side:
    """One run: what to call it, its data folder, its params by section."""

    name: str
    folder: Path
    params: Mapping[str, Any]


def write_comparison(path: Path, a: Side, b: Side) -> None:
    """Write the page; InputError when a folder holds no finished run."""
    runs = load_run(a.folder), load_run(b.folder)
    shared = share_images(*runs)
    labels = pair_labels(*runs)
    broken, mended = find_broken(*runs, shared), find_mended(*runs, shared)
    write_page(
        path,
        "compare.html.j2",
        style=["page.css", "compare.css"],
        script=[],
        data=None,
        context={
            "names": (a.name, b.name),
            "headlines": _list_headlines(*runs),
            "differences": list_differences(a.params, b.params),
            "charts": _draw_curves(a.name, b.name, *runs),
            "labels": labels,
            "low": _round_down([score for pair in labels for score in (pair.a, pair.b)]),
            "shared": len(shared),
            "validation": [len(run.validation) for run in runs],
            "broken": [_describe(pair, *runs) for pair in broken[:SHOWN_CHANGES]],
            "mended": [_describe(pair, *runs) for pair in mended[:SHOWN_CHANGES]],
            "num_broken": len(broken),
            "p": mcnemar(len(broken), len(mended)),
            "chance": CHANCE,
            "num_mended": len(mended),
            "same_data": runs[0].hashes["data"] == runs[1].hashes["data"],
        },
    )


def _round_down(scores: list[float | None]) -> float:
    """The tenth below every score, where a picture of them may start; below 1."""
    known = [score for score in scores if score is not None]
    return min(math.floor(10 * min(known, default=0.0)) / 10, 0.9)


def _list_headlines(a: Results, b: Results) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "sides": [
                {"value": run.metrics[key], **run.metrics["intervals"][key]} for run in (a, b)
            ],
            "change": b.metrics[key] - a.metrics[key],
        }
        for key, (name, _) in HEADLINES.items()
    ]


def _draw_curves(name_a: str, name_b: str, a: Results, b: Results) -> list[Chart]:
    """Both runs' validation loss and exact set, epoch by epoch."""

    def overlay(title: str, column: str, y_label: str, **options: Any) -> Chart:
        series = [
            Series(name, kind, read_points(run.epochs, column, x="epoch"), dots=True)
            for name, kind, run in ((name_a, "first", a), (name_b, "second", b))
        ]
        return draw_lines(title, series, x_label="epoch", y_label=y_label, **options)

    if not a.epochs or not b.epochs:
        return []
    return [
        overlay("Validation loss", "validation_loss", "binary cross-entropy", logarithmic=True),
        overlay("Exact set", "exact_set", "share", y_range=(0, 1)),
        overlay("Training loss", "train_loss", "binary cross-entropy", logarithmic=True),
        overlay("Micro F1", "micro_f1", "share", y_range=(0, 1)),
    ]


def _describe(pair: Shared, a: Results, b: Results) -> dict[str, str]:
    row = b.validation_rows[pair.b]
    return {
        "file": row.file,
        "text": row.text,
        "picture": encode_image(b.pixels[b.validation[pair.b]]),
        "a": _say_errors(a, pair.a),
        "b": _say_errors(b, pair.b),
    }


def _say_errors(results: Results, position: int) -> str:
    """`missed b, invented d`, or `right`."""
    missed = results.spell(results.missed[position])
    invented = results.spell(results.invented[position])
    parts = [f"missed {missed}" if missed else "", f"invented {invented}" if invented else ""]
    return ", ".join(part for part in parts if part) or "right"
