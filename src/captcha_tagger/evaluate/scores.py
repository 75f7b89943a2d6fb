"""The scores of an evaluation as files: a few for `dvc metrics` and `dvc exp show`, and the rest.

A table of experiments has a column for each number in metrics.json, so only headlines are there.
details.json beside it holds their intervals, what guessing would get, the threshold and the counts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json, write_json

METRICS, DETAILS = "metrics.json", "details.json"
HEADLINES = (
    "exact_set", "text_accuracy", "label_accuracy", "micro_f1", "macro_f1", "character_error_rate",
    "loss",
)  # fmt: skip


def write_scores(folder: Path, scores: Mapping[str, Any]) -> None:
    """Write the headlines to metrics.json, all else to details.json."""
    headlines = {name: scores[name] for name in HEADLINES if name in scores}
    write_json(folder / METRICS, headlines)
    write_json(folder / DETAILS, {name: scores[name] for name in scores if name not in headlines})


def read_scores(folder: Path) -> dict[str, Any]:
    """All that `write_scores` wrote, by name; `intervals` are a low and a high by metric.

    InputError when that is damaged.
    """
    found = [read_json(folder / name) for name in (METRICS, DETAILS)]
    try:
        scores = {name: score for one in found for name, score in one.items()}
        for name, bounds in scores["intervals"].items():
            float(scores[name] + bounds["low"] + bounds["high"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f"its scores are damaged ({error!r}); run dvc repro evaluate"
        raise InputError(f"{folder}: {reason}") from None
    return scores
