"""What the record says of one experiment, derived from files alone.

A Lineage, its outputs and the facts of training -> RunRow: plain values that any store can take.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from captcha_tagger.base.files import read_json, read_table
from captcha_tagger.compare.side import flatten
from captcha_tagger.engine.journal import read_facts
from captcha_tagger.evaluate.scores import read_scores
from captcha_tagger.tracking.lineage import PHASES, Lineage

MODEL = "dvc.fine_tune"  # tag: DVC's hash of the output that holds the model
RESTORED = "restored_from"  # tag of a phase: the key of the experiment that trained it
NAME = "mlflow.runName"  # tag: what the store calls a run
PLACES = ("step", "epoch", "phase")  # columns of a history that say where a row belongs
SPENT = ("wall_seconds", "gpu_seconds")

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
    system: list[Point] = field(default_factory=list)  # steps are milliseconds since the start
    phases: dict[str, "RunRow"] = field(default_factory=dict)
    journal: str = ""  # of a training that has made nothing yet: counts as long as this is there
    store: str = ""  # a digest of the store that it is meant for; empty: any

    @property
    def model(self) -> str | None:
        """DVC's hash of the output that holds the trained model; None while there is none."""
        return self.tags.get(MODEL)

    def contradicts(self, stored: Mapping[tuple[str, int], float]) -> bool:
        """Whether a store shows a point, by name and step, that the curve has not or otherwise.

        Points after the curve's last step are those of a training that is further on.
        """
        truth = {(name, step): value for name, step, value in self.curve}
        last = max((step for _, step in truth), default=-1)
        names = {name for name, _ in truth}
        return any(
            value != truth.get((name, step))
            for (name, step), value in stored.items()
            if name in names and step <= last
        )


def build_row(lineage: Lineage, phases: dict[str, RunRow], origin: Mapping[str, str]) -> RunRow:
    """The row of the experiment on disk; `origin` are the tags that say where it comes from."""
    inside = lineage.upstream("fine_tune")
    params = flatten(lineage.sections(inside))
    others = lineage.sections(lineage.entries.keys() - set(inside))
    unmade = {name for name in PHASES if name not in phases or phases[name].status != "FINISHED"}
    made = {name: lineage.entries[name]["outs"] for name in lineage.entries.keys() - unmade}
    tuned_at = [step for _, step, _ in phases["fine_tune"].curve] if "fine_tune" in phases else []
    starts = [phase.start for phase in phases.values() if RESTORED not in phase.tags]
    return RunRow(
        key=lineage.key("fine_tune"),
        status=[phase.status for phase in phases.values()][-1],
        start=min(filter(None, starts), default=None),
        params=params,
        tags={
            **{n: v for n, v in flatten({**lineage.params, **others}).items() if n not in params},
            **{f"dvc.{name}": outs[0]["md5"] for name, outs in made.items() if outs},
            **_describe_corrections(lineage),
            **({"unfrozen_at_step": str(min(tuned_at))} if tuned_at else {}),
            **{n: v for phase in phases.values() for n, v in phase.tags.items() if n != RESTORED},
            **origin,
        },
        metrics={**_total(phases), **_read_scores(lineage)},
        curve=[point for phase in phases.values() for point in phase.curve],
        phases=phases,
    )


def build_phase(lineage: Lineage, phase: str, told: Path, status: str = "FINISHED") -> RunRow:
    """The row of one training phase; `told` is the folder of what it told of its training.

    While it trains or when it has failed, its curve lies there, too.
    """
    facts = read_facts(told)
    row_key = lineage.key("fine_tune")
    restored = {} if facts.get("row", row_key) == row_key else {RESTORED: facts["row"]}
    curve = lineage.root / "data" / phase if status == "FINISHED" else told
    return RunRow(
        key=lineage.key(phase),
        status=status,
        start=facts.get("started"),
        params=flatten(lineage.sections([phase])),
        tags={**restored, **facts.get("tags", {})},
        metrics={name: facts[name] for name in SPENT if name in facts},
        curve=_read_curve(curve),
        system=_read_system(told / "system.csv"),
    )


def metric_name(prefix: str, label: str) -> str:
    """`f1/a`; a label that MLflow does not allow in a name by its code points, `f1/U+003F`."""
    plain = all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in label)
    name = label if plain else "_".join(f"U+{ord(letter):04X}" for letter in label)
    return f"{prefix}/{name.replace('+', '-')}"


def _describe_corrections(lineage: Lineage) -> dict[str, str]:
    """How many corrections the data had, and their hash, as dvc.lock has it; nothing without."""
    path = lineage.root / "data" / "ingest" / "report.json"
    found = read_json(path).get("corrections") if "ingest" in lineage.trusted else None
    if not found:
        return {}
    return {"corrections": str(found["texts"] + found["dropped"]), "corrections_md5": found["md5"]}


def _read_curve(folder: Path) -> list[Point]:
    """The points of both history files that are numbers, as far as there are any."""
    points = []
    for kind in ("step", "epoch"):
        path = folder / f"{kind}s.csv"
        for row in read_table(path) if path.exists() else []:
            values = {name: float(cell) for name, cell in row.items() if name not in PLACES}
            points += [(f"{kind}/{name}", int(row["step"]), value)
                       for name, value in values.items() if math.isfinite(value)]  # fmt: skip
    return points


def _read_system(path: Path) -> list[Point]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [(name, int(time), float(value)) for name, time, value in csv.reader(file)]


def _total(phases: Mapping[str, RunRow]) -> dict[str, float]:
    """What all phases have spent together."""
    told = [phase.metrics for phase in phases.values()]
    return {n: sum(one.get(n, 0.0) for one in told) for n in SPENT if any(n in one for one in told)}


def _read_scores(lineage: Lineage) -> dict[str, float]:
    """The headline metrics, the ends of their intervals, and the scores of each label."""
    if "evaluate" not in lineage.trusted:
        return {}
    folder = lineage.root / "data" / "evaluate"
    scores = read_scores(folder)
    for name, bounds in scores.pop("intervals").items():
        scores |= {f"{name}_{end}": value for end, value in bounds.items()}
    for row in read_table(folder / "labels.csv"):
        del row["threshold"]  # the same for all
        label = row.pop("label")
        scores |= {metric_name(name, label): value for name, value in row.items()}
    numbers = {name: float(value) for name, value in scores.items()}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
