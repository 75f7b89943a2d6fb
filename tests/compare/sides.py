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
) -> Side:
    """A side whose images are right where the string says `+`; the first is the easiest."""
    values = {metric: (place + 1) / 10 for place, metric in enumerate(HEADLINES)}
    bounds = {metric: {"low": x - 0.02, "high": x + 0.01} for metric, x in values.items()}
    answers = [
        ScoredImage(f"{i}.png", "ab", "" if mark == "+" else "b", "", float(i), None)
        for i, mark in enumerate(right)
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
