"""Sides of a comparison, read from small finished runs or made up."""

from pathlib import Path

from ruamel.yaml import YAML

from captcha_tagger.compare.side import LOCK, ScoredImage, Side, read_side
from captcha_tagger.metrics.sets import HEADLINES


def make_side(
    name: str,
    right: str,
    params: dict[str, str] | None = None,
    f1: dict[str, float | None] | None = None,
    read: str = "",
) -> Side:
    """A side whose images have right sets where `right` says `+`; the first is the easiest.

    It reads where there is a `read`, which says the same of the texts; others are read backwards.
    """
    values = {metric: (place + 1) / 10 for place, metric in enumerate(HEADLINES)}
    bounds = {metric: {"low": x - 0.02, "high": x + 0.01} for metric, x in values.items()}
    texts = ["ab" if mark == "+" else "ba" for mark in read] or [None] * len(right)
    answers = [
        ScoredImage(f"{i}.png", "ab", text, "" if mark == "+" else "b", "", float(i), None)
        for i, (mark, text) in enumerate(zip(right, texts, strict=True))
    ]
    metrics = {**values, "intervals": bounds}
    return Side(name, params or {}, frozenset(), metrics, f1 or {}, answers, [], None)


def read_run(name: str, data: Path, **params: dict[str, object]) -> Side:
    """The run that tests.runs wrote, as these params, by section and key, made it."""
    lock = data.parent / LOCK
    write_lock(lock, params)
    return read_side(name, data, lock)


def write_lock(path: Path, params: dict[str, dict[str, object]], data: str = "d1") -> None:
    stages = {
        section: {"params": {"params.yaml": {section: values}}}
        for section, values in params.items()
    }
    ingest = stages.setdefault("ingest", {"params": {}})
    source, code = {"path": "images", "md5": data}, {"path": "src/x", "md5": "c1"}
    YAML().dump({"stages": {**stages, "ingest": {**ingest, "deps": [source, code]}}}, path)
