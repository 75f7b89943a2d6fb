"""What the record says of one experiment, derived from files alone.

A Lineage, its outputs and the facts of training -> Row: plain values that any store can take.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captcha_tagger.base.files import read_json, read_table
from captcha_tagger.evaluate.scores import read_scores
from captcha_tagger.tracking.lineage import PARAMS, PHASES, Lineage

STEP_METRICS = ("loss", "learning_rate")
EPOCH_METRICS = (
    "train_loss", "validation_loss", "label_accuracy", "exact_set", "micro_f1", "text_accuracy",
    "character_error_rate",
)  # fmt: skip
LONGEST_VALUE = 6000  # of a param in MLflow

Point = tuple[str, int, float]  # metric, step, value


@dataclass(frozen=True)
class PhaseRow:
    """One training stage: its own params, curve and facts."""

    key: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    curve: list[Point]
    system: list[tuple[str, int, float]] = field(default_factory=list)  # metric, time in ms, value


@dataclass(frozen=True)
class Row:
    """One experiment; `hints` are tags that hold only where nothing better is known."""

    key: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    hints: dict[str, str]
    metrics: dict[str, float]
    curve: list[Point]
    phases: dict[str, PhaseRow]
    datasets: list[dict[str, str]]
    model: str | None  # DVC's hash of the output that holds it


def build_row(
    lineage: Lineage, facts: Mapping[str, Path], live: Mapping[str, str], hints: dict[str, str]
) -> Row:
    """The row of the experiment on disk.

    `facts` are folders with what each phase told of its training; `live` are the phases without
    outputs yet, and their status.
    """
    key = lineage.key("fine_tune")
    sections = _sections(lineage, lineage.upstream("fine_tune"))
    phases = {
        phase: _build_phase(lineage, phase, facts.get(phase), live.get(phase, "FINISHED"), key)
        for phase in PHASES
        if phase in lineage.trusted or phase in live
    }
    done = {phase for phase in phases if phase not in live}
    later = {name: values for name, values in lineage.params.items() if name not in sections}
    for name in set(lineage.entries) - set(lineage.upstream("fine_tune")):
        later |= {
            section: values
            for section, values in _sections(lineage, [name]).items()
            if section not in sections
        }
    return Row(
        key=key,
        status=next(iter(live.values()), "FINISHED"),
        params=flatten(sections),
        tags={
            **flatten(later),
            **{
                f"dvc.{name}": entry["outs"][0]["md5"]
                for name, entry in lineage.entries.items()
                if entry["outs"]
            },
            **_unfreezing(phases),
            **_machine_tags(phases),
        },
        hints=hints,
        metrics={**_totals(phases), **_scores(lineage)},
        curve=[point for phase in phases.values() for point in phase.curve],
        phases=phases,
        datasets=_datasets(lineage),
        model=lineage.entries["fine_tune"]["outs"][0]["md5"] if "fine_tune" in done else None,
    )


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested params as dotted names and the values as YAML writes them."""
    flat: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[f"{prefix}{name}"] = text[:LONGEST_VALUE]
    return flat


def metric_name(prefix: str, label: str) -> str:
    """`f1/a`; a label that MLflow does not allow in a name by its code points, `f1/U+003F`."""
    plain = all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in label)
    name = label if plain else "_".join(f"U+{ord(letter):04X}" for letter in label)
    return f"{prefix}/{name.replace('+', '-')}"


def _sections(lineage: Lineage, names: Iterable[str]) -> dict[str, Any]:
    return {
        section: values
        for name in names
        for section, values in lineage.entry(name)["params"][PARAMS].items()
    }


def _build_phase(
    lineage: Lineage, phase: str, told: Path | None, status: str, row_key: str
) -> PhaseRow:
    facts = read_json(told / "facts.json") if told else {}
    trained_for = facts.get("row", row_key)
    restored = {} if trained_for == row_key else {"restored_from": trained_for}
    finished = status == "FINISHED"
    return PhaseRow(
        key=lineage.key(phase),
        status=status,
        params=flatten(_sections(lineage, [phase])),
        tags={**restored, **facts.get("tags", {})},
        metrics={name: facts[name] for name in ("wall_seconds", "gpu_seconds") if name in facts},
        curve=_read_curve(lineage.root / "data" / phase if finished or told is None else told),
        system=_read_system(told / "system.csv") if told else [],
    )


def _read_curve(folder: Path) -> list[Point]:
    steps, epochs = (
        read_table(path) if (path := folder / name).exists() else []
        for name in ("steps.csv", "epochs.csv")
    )
    return [
        *(
            (f"step/{name}", int(row["step"]), float(row[name]))
            for row in steps
            for name in STEP_METRICS
        ),
        *(
            (f"epoch/{name}", int(row["step"]), float(row[name]))
            for row in epochs
            for name in EPOCH_METRICS
            if name in row  # some heads read no texts
        ),
    ]


def _read_system(path: Path) -> list[tuple[str, int, float]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [(name, int(time), float(value)) for name, time, value in csv.reader(file)]


def _unfreezing(phases: Mapping[str, PhaseRow]) -> dict[str, str]:
    steps = [step for _, step, _ in phases["fine_tune"].curve] if "fine_tune" in phases else []
    return {"unfrozen_at_step": str(min(steps))} if steps else {}


def _machine_tags(phases: Mapping[str, PhaseRow]) -> dict[str, str]:
    """Device and versions of the last phase that left any."""
    tags: dict[str, str] = {}
    for phase in phases.values():
        tags |= {name: value for name, value in phase.tags.items() if name != "restored_from"}
    return tags


def _totals(phases: Mapping[str, PhaseRow]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for phase in phases.values():
        for name, value in phase.metrics.items():
            totals[name] = totals.get(name, 0.0) + value
    return totals


def _scores(lineage: Lineage) -> dict[str, float]:
    """The headline metrics, the ends of their intervals, and the scores of each label."""
    if "evaluate" not in lineage.trusted:
        return {}
    folder = lineage.root / "data" / "evaluate"
    content = read_scores(folder)
    scores = {name: float(value) for name, value in content.items() if _is_number(value)}
    for name, bounds in content["intervals"].items():
        scores |= {f"{name}_{end}": value for end, value in bounds.items()}
    for row in read_table(folder / "labels.csv"):
        for name, text in row.items():
            if name in ("precision", "recall", "f1", "average_precision", "support"):
                scores[metric_name(name, row["label"])] = float(text)
    return {name: value for name, value in scores.items() if value == value}  # NaN: undefined


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _datasets(lineage: Lineage) -> list[dict[str, str]]:
    """The data that training saw, each with DVC's hash as digest."""
    found = []
    for stage in ("ingest", "split"):
        for out in lineage.entry(stage)["outs"]:
            found.append({"name": out["path"], "digest": out["md5"], "context": stage})
    return found
