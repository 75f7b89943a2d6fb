"""What the record says of one experiment, derived from files alone.

A Lineage, its outputs and the facts of training -> RunRow: plain values that any store can take.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captcha_tagger.base.files import read_json, read_table
from captcha_tagger.compare.side import flatten
from captcha_tagger.engine.journal import read_facts
from captcha_tagger.evaluate.scores import read_scores
from captcha_tagger.tracking.lineage import PARAMS, Lineage

STEP_METRICS = ("loss", "learning_rate")
EPOCH_METRICS = (
    "train_loss", "validation_loss", "label_accuracy", "exact_set", "micro_f1", "text_accuracy",
    "character_error_rate",
)  # fmt: skip
LABEL_METRICS = ("precision", "recall", "f1", "average_precision", "support")
MODEL = "dvc.fine_tune"  # tag: DVC's hash of the output that holds the model
RESTORED = "restored_from"  # tag of a phase: the key of the experiment that trained it
NAME = "mlflow.runName"  # tag: what the store calls a run
SYSTEM = "system/"  # metrics whose steps are milliseconds since the start

Point = tuple[str, int, float]  # metric, step, value


@dataclass(frozen=True)
class RunRow:
    """One run of the store: an experiment, or one of its training phases."""

    key: str
    status: str
    start: int | None  # of the training, in ms since 1970; None where nobody remembers
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    curve: list[Point]
    phases: dict[str, "RunRow"] = field(default_factory=dict)
    datasets: list[dict[str, str]] = field(default_factory=list)

    @property
    def model(self) -> str | None:
        """DVC's hash of the output that holds the trained model; None while there is none."""
        return self.tags.get(MODEL)

    def contradicts(self, stored: Mapping[tuple[str, int], float]) -> bool:
        """Whether a store shows a point, by name and step, that the curve has not or otherwise.

        Points after the curve's last step are those of a training that is further on.
        """
        truth = {(name, step): v for name, step, v in self.curve if not name.startswith(SYSTEM)}
        last = max((step for _, step in truth), default=-1)
        names = {name for name, _ in truth}
        return any(
            value != truth.get((name, step))
            for (name, step), value in stored.items()
            if name in names and step <= last
        )


def build_row(lineage: Lineage, phases: dict[str, RunRow], origin: Mapping[str, str]) -> RunRow:
    """The row of the experiment on disk; `origin` are the tags that say where it comes from."""
    params = training_params(lineage)
    others = set(lineage.entries) - set(lineage.upstream("fine_tune"))
    later = flatten({**lineage.params, **_sections(lineage, others)})
    live = {name for name, phase in phases.items() if phase.status != "FINISHED"}
    made = {name: lineage.entries[name]["outs"] for name in lineage.trusted - live}
    starts = [phase.start for phase in phases.values() if RESTORED not in phase.tags]
    tune = phases.get("fine_tune")
    return RunRow(
        key=lineage.key("fine_tune"),
        status=[phase.status for phase in phases.values()][-1],
        start=min(filter(None, starts), default=None),
        params=params,
        tags={
            **{name: value for name, value in later.items() if name not in params},
            **{f"dvc.{name}": outs[0]["md5"] for name, outs in made.items() if outs},
            **_describe_corrections(lineage),
            **({"unfrozen_at_step": str(_first_step(tune))} if tune and tune.curve else {}),
            **{n: v for phase in phases.values() for n, v in phase.tags.items() if n != RESTORED},
            **origin,
        },
        metrics={**_totals(phases.values()), **_scores(lineage)},
        curve=[point for p in phases.values() for point in p.curve if not _is_system(point)],
        phases=phases,
        datasets=[
            {"name": out["path"], "digest": out["md5"], "context": stage}
            for stage in ("ingest", "split")
            for out in lineage.entry(stage)["outs"]
        ],
    )


def build_phase(lineage: Lineage, phase: str, told: Path, status: str = "FINISHED") -> RunRow:
    """The row of one training phase; `told` is the folder of what it told of its training.

    While it trains or when it has failed, its curve lies there, too.
    """
    facts = read_facts(told)
    row_key = lineage.key("fine_tune")
    restored = {} if facts.get("row", row_key) == row_key else {RESTORED: facts["row"]}
    spent = ("wall_seconds", "gpu_seconds")
    curve = lineage.root / "data" / phase if status == "FINISHED" else told
    return RunRow(
        key=lineage.key(phase),
        status=status,
        start=facts.get("started"),
        params=flatten(_sections(lineage, [phase])),
        tags={**restored, **facts.get("tags", {})},
        metrics={name: facts[name] for name in spent if name in facts},
        curve=_read_curve(curve) + _read_system(told / "system.csv"),
    )


def row_from_json(content: dict[str, Any]) -> RunRow:
    """The RunRow whose `asdict` was written as JSON; TypeError or KeyError if it is another's."""
    phases = {name: row_from_json(phase) for name, phase in content["phases"].items()}
    curve = [(str(name), int(step), float(value)) for name, step, value in content["curve"]]
    return RunRow(**{**content, "phases": phases, "curve": curve})


def training_params(lineage: Lineage) -> dict[str, str]:
    """Every param that the trained model depends on, flat."""
    return flatten(_sections(lineage, lineage.upstream("fine_tune")))


def metric_name(prefix: str, label: str) -> str:
    """`f1/a`; a label that MLflow does not allow in a name by its code points, `f1/U+003F`."""
    plain = all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in label)
    name = label if plain else "_".join(f"U+{ord(letter):04X}" for letter in label)
    return f"{prefix}/{name.replace('+', '-')}"


def _describe_corrections(lineage: Lineage) -> dict[str, str]:
    """How many corrections the data had, and their hash, as dvc.lock has it; nothing without."""
    path = lineage.root / "data" / "ingest" / "report.json"
    found = read_json(path).get("corrections") if path.exists() else None
    if "ingest" not in lineage.trusted or not found:
        return {}
    number = found["texts"] + found["dropped"]
    return {"corrections": str(number), "corrections_md5": found["md5"]}


def _sections(lineage: Lineage, names: Iterable[str]) -> dict[str, Any]:
    """The params of these stages, as dvc.lock has them."""
    entries = [lineage.entry(name) for name in names]
    return {section: v for entry in entries for section, v in entry["params"][PARAMS].items()}


def _read_curve(folder: Path) -> list[Point]:
    """The points of both history files that are numbers, as far as there are any."""
    points = []
    for kind, names in (("step", STEP_METRICS), ("epoch", EPOCH_METRICS)):
        path = folder / f"{kind}s.csv"
        for row in read_table(path) if path.exists() else []:
            there = [name for name in names if name in row]  # some heads read no texts
            points += [(f"{kind}/{name}", int(row["step"]), float(row[name])) for name in there]
    return [point for point in points if math.isfinite(point[2])]


def _read_system(path: Path) -> list[Point]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [(name, int(time), float(value)) for name, time, value in csv.reader(file)]


def _is_system(point: Point) -> bool:
    return point[0].startswith(SYSTEM)


def _first_step(phase: RunRow) -> int:
    return min(point[1] for point in phase.curve if not _is_system(point))


def _totals(phases: Iterable[RunRow]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for phase in phases:
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
        names = [name for name in LABEL_METRICS if name in row]
        scores |= {metric_name(name, row["label"]): float(row[name]) for name in names}
    return {name: value for name, value in scores.items() if math.isfinite(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
