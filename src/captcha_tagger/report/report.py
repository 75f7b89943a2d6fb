"""The page that people open after a run: one HTML file that needs nothing else.

Results and params -> report.html. The same inputs give the same bytes.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.data.readings import Reading
from captcha_tagger.data.sheet import pick_samples
from captcha_tagger.ingest.summary import Summary
from captcha_tagger.metrics.sets import (
    count_constant,
    exact_set,
    label_accuracy,
    macro_f1,
    micro_f1,
)
from captcha_tagger.report.alignment import Step, align
from captcha_tagger.report.mistakes import (
    Confusion,
    count_confusions,
    count_misreadings,
    find_doubtful_names,
)
from captcha_tagger.report.page import write_page
from captcha_tagger.report.plots.charts import draw_chart
from captcha_tagger.report.plots.curves import describe_course, plot_decisions, plot_training
from captcha_tagger.report.results import Results
from captcha_tagger.report.thumbnails import encode_image, pack_evidence

SHOWN_CONFUSIONS = 12
SHOWN_REJECTS = 200
HARDEST = 3
SHOWN_FREQUENCIES = 80
SHOWN_SIZES = 5
SECTIONS = ("ingest", "split", "backbone", "train_head", "fine_tune", "read", "evaluate")
PATHS = (("ingest", "source"), ("backbone", "file"))

CAPTIONS = {
    "exact_set": ("Exact set", "images with every label right and none too many"),
    "text_accuracy": ("Text accuracy", "images whose whole text is read, in order"),
    "label_accuracy": ("Label accuracy", "right decisions, one per image and label"),
    "micro_f1": ("Micro F1", "precision and recall of all decisions pooled"),
    "macro_f1": ("Macro F1", "the mean of the labels' own F1"),
    "character_error_rate": (
        "Character error rate",
        "edits from the text read to the right one, for each of its characters; 0 is best",
    ),
}


def write_report(
    path: Path, results: Results, params: Mapping[str, Any], *, page_images: int
) -> None:
    """Write the page about the results; `params` are the sections that made them."""
    shown = results.worst_shown[:page_images]
    write_page(
        path,
        "report.html.j2",
        style=["page.css", "report.css"],
        script=["elements.js", "report.js", "corrections.js"],
        data=list_images(results, shown.tolist()),
        context={
            "headlines": list_headlines(results),
            "counts": _count(results),
            "hardest": _rank_errors(results),
            "threshold": results.threshold,
            "params": _list_params(params),
            "hashes": results.hashes,
            "samples": _sample_sheet(results),
            "data_summary": _describe_data(results.summary),
            "rejects": results.rejects[:SHOWN_REJECTS],
            "training": [draw_chart(plot) for plot in plot_training(results) if results.steps],
            "course": describe_course(results),
            "epochs": results.epochs,
            "labels": _list_labels(results),
            "confusions": _list_confusions(results),
            "reads": bool(results.readings),
            "misreadings": count_misreadings(results)[:SHOWN_CONFUSIONS],
            "reliability": results.reliability,
            "decisions": [draw_chart(plot) for plot in plot_decisions(results)],
            "calibration": results.calibration,
            "doubtful": find_doubtful_names(results),
            "corrections": results.corrections,
            "shown_images": len(shown),
            "vocabulary": results.vocabulary,
        },
    )


def list_images(results: Results, positions: list[int]) -> dict[str, Any]:
    """What the page's script needs to show the images at these positions, in this order."""
    rows = [results.validation[position] for position in positions]
    evidence = results.evidence_at(positions)
    with ThreadPoolExecutor() as threads:  # encoding leaves Python's lock to others
        pictures = list(threads.map(encode_image, (results.pixels[row] for row in rows)))
    images = [
        {
            "position": position,
            "file": results.rows[row].file,
            "text": results.rows[row].text,
            "picture": picture,
            "targets": np.flatnonzero(results.targets[position]).tolist(),
            "probs": _round(results.probs[position]),
            "losses": _round(results.losses[position]),
            "peaks": _round(peaks, 3),
            "reading": _describe_reading(results, position),
        }
        for position, row, picture, peaks in zip(
            positions, rows, pictures, evidence.max((2, 3)), strict=True
        )
    ]
    return {
        "vocabulary": results.vocabulary,
        "threshold": results.threshold,
        "size": results.pixels.shape[2:],
        "grid": results.evidence.shape[2:],
        "evidence": pack_evidence(evidence),
        "images": images,
    }


def list_headlines(results: Results) -> list[dict[str, Any]]:
    """The headline metrics with their intervals, beside what guessing would get."""
    none, every = (count_constant(answer, results.targets) for answer in (False, True))
    baselines = {
        "exact_set": ("no label ever", exact_set(none)),
        "label_accuracy": ("no label ever", label_accuracy(none)),
        "micro_f1": ("every label always", micro_f1(every)),
        "macro_f1": ("every label always", macro_f1(every)),
    }
    for key in ("text_accuracy", "character_error_rate"):
        if key in results.metrics:
            baselines[key] = ("one text always", results.metrics[f"constant_{key}"])
    return [
        {
            "name": name,
            "meaning": meaning,
            "value": results.metrics[key],
            **results.metrics["intervals"][key],
            "baseline_name": baselines[key][0],
            "baseline": baselines[key][1],
        }
        for key, (name, meaning) in CAPTIONS.items()
        if key in baselines
    ]


def _describe_reading(results: Results, position: int) -> dict[str, Any] | None:
    """The text read and its confidence, and of each step of its alignment the kind, both
    characters and its middle, as a share of the picture's width; nothing if no text is read."""
    if not results.readings:
        return None
    reading, width = results.readings[position], results.pixels.shape[3]
    steps = align(results.row_at(position).text, reading.text)
    return {
        "text": reading.text,
        "confidence": round(reading.confidence, 4),
        "steps": [
            [step.kind, step.actual, step.read, round(_find_middle(step, reading) / width, 4)]
            for step in steps
        ],
    }


def _find_middle(step: Step, reading: Reading) -> float:
    """The pixel column about which a character was read; between its neighbours if it was not."""
    if step.read:
        return sum(reading.spans[step.place]) / 2
    before = [right for _, right in reading.spans[: step.place][-1:]]
    after = [left for left, _ in reading.spans[step.place :][:1]]
    known = before + after
    return sum(known) / len(known) if known else 0.0


def _round(values: NDArray[np.floating[Any]], digits: int = 4) -> list[float]:
    return [round(value, digits) for value in values.tolist()]


def _count(results: Results) -> dict[str, int]:
    return {
        "images": len(results.rows),
        "train": len(results.train),
        "validation": len(results.validation),
        "right": int((~results.wrong).sum()),
        "wrong": int(results.wrong.sum()),
        "misread": int(results.misread.sum()),
        "missed": int(results.missed.sum()),
        "invented": int(results.invented.sum()),
        "labels": len(results.vocabulary),
        "rejects": len(results.rejects),
    }


def _rank_errors(results: Results) -> list[tuple[str, int]]:
    """The labels most often missed or invented, and how often."""
    errors = (results.missed | results.invented).sum(0)
    worst = np.argsort(-errors, kind="stable")[:HARDEST]
    return [(results.vocabulary[column], int(errors[column])) for column in worst if errors[column]]


def _list_params(params: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The sections that make the results; of a source, only its name: paths are private."""
    sections = {name: dict(params[name]) for name in SECTIONS}
    for section, key in PATHS:
        if sections[section][key]:
            sections[section][key] = PurePath(sections[section][key]).name
    return list(sections.items())


def _sample_sheet(results: Results) -> list[dict[str, str]]:
    """Training images with their texts, each with an augmented copy where there is one."""
    part = results.train if len(results.train) else results.validation
    rows = part[pick_samples(range(len(part)))]
    sheet = [
        {
            "text": results.rows[row].text,
            "picture": encode_image(results.pixels[row]),
            "augmented": "",
        }
        for row in rows
    ]
    for entry, pixels in zip(sheet, results.augmented, strict=False):
        entry["augmented"] = encode_image(pixels)
    return sheet


def _describe_data(summary: Summary) -> dict[str, Any]:
    """Sizes and text lengths as the files have them, and how many images hold each label."""
    most = max(summary.labels.values())
    labels = [label for label, _ in summary.labels.most_common(SHOWN_FREQUENCIES)]
    return {
        "sizes": [
            (f"{w} × {h}", count) for (w, h), count in summary.sizes.most_common(SHOWN_SIZES)
        ],
        "num_sizes": len(summary.sizes),
        "lengths": sorted(summary.lengths.items()),
        "outliers": [
            (length, summary.files_by_length[length]) for length in summary.outlier_lengths
        ],
        "repeating": summary.repeating_images,
        "labels": [
            {
                "label": label,
                "images": summary.labels[label],
                "share": summary.labels[label] / most,
                "repeated": summary.repeated_labels[label],
                "repeated_share": summary.repeated_labels[label] / most,
            }
            for label in sorted(labels)
        ],
    }


def _list_labels(results: Results) -> list[dict[str, Any]]:
    missed, invented = results.missed.sum(0).tolist(), results.invented.sum(0).tolist()
    return [
        {
            **{name: float(row[name]) for name in ("precision", "recall", "f1", "threshold")},
            "average_precision": float(row["average_precision"]),
            "label": label,
            "support": int(row["support"]),
            "missed": missed[column],
            "invented": invented[column],
        }
        for column, (label, row) in enumerate(zip(results.vocabulary, results.labels, strict=True))
    ]


def _list_confusions(results: Results) -> list[Confusion]:
    return count_confusions(results)[:SHOWN_CONFUSIONS]
