"""dvc.lock as the truth about what lies on disk: which params, data and code made each output.

dvc.yaml, dvc.lock, params.yaml and the outputs -> Lineage, and from it the key of an experiment.
The stage that DVC is running has no entry yet; its entry is written here as DVC will write it.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from captcha_tagger.base.files import hash_path
from captcha_tagger.base.settings import read_params

PHASES = ("train_head", "fine_tune")
PARAMS = "params.yaml"
REFERENCE = re.compile(r"\$\{([\w.]+)\}")

Entry = dict[str, Any]  # one stage of dvc.lock


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml, its `${...}` filled in."""

    name: str
    cmd: str
    deps: list[str]
    params: list[str]  # sections, or single keys as section.key
    outs: list[str]


@dataclass(frozen=True)
class Lineage:
    """The stages in their order, and the dvc.lock entries that fit together.

    `trusted` are the stages whose outputs on disk are those of their entry.
    """

    root: Path
    stages: dict[str, Stage]
    entries: dict[str, Entry]
    trusted: frozenset[str]
    params: dict[str, Any]

    def upstream(self, name: str) -> list[str]:
        """The stage and all that it depends on, in the order of the pipeline."""
        makers = {out: stage.name for stage in self.stages.values() for out in stage.outs}
        found, waiting = set[str](), [name]
        while waiting:
            found.add(stage := waiting.pop())
            waiting += [makers[dep] for dep in self.stages[stage].deps if dep in makers]
        return [stage for stage in self.stages if stage in found]

    def entry(self, name: str) -> Entry:
        """The entry of the stage; of one that has yet to run, what is known of it beforehand."""
        return self.entries.get(name) or describe_stage(self, self.stages[name])

    def key(self, stage: str) -> str:
        """A digest of everything that determines what the training `stage` makes.

        Params of all stages before it, the data that these handed over, the code that trains.
        It is known as soon as head training starts, and does not change afterwards.
        """
        names = self.upstream(stage)
        entries = {name: self.entry(name) for name in names}
        made = {out for name in names for out in self.stages[name].outs}
        outs = [out for n in names if n not in PHASES for out in entries[n]["outs"]]
        deps = [dep for n in names if n in PHASES for dep in entries[n]["deps"]]
        content = {
            "params": {k: v for e in entries.values() for k, v in e["params"][PARAMS].items()},
            "data": {out["path"]: out["md5"] for out in outs},
            "code": {dep["path"]: dep["md5"] for dep in deps if dep["path"] not in made},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def read_lineage(root: Path, running: str | None = None) -> Lineage:
    """Read what made the outputs under `root`; `running` names the stage that DVC is running."""
    params = read_params(root / PARAMS)
    stages = _read_stages(root / "dvc.yaml", params)
    lock = root / "dvc.lock"
    locked = (read_params(lock).get("stages") or {}) if lock.exists() else {}
    lineage = Lineage(root, stages, {}, frozenset(), params)
    before = set(lineage.upstream(running)) if running else set[str]()
    trusted = set[str]()
    for name, stage in stages.items():
        entry = describe_stage(lineage, stage) if name == running else locked.get(name)
        if entry is None or not _fits(lineage, entry):
            continue
        lineage.entries[name] = entry
        # DVC has just checked what comes before the running stage; hashing it again takes time.
        if name in before or all(_is_on_disk(root, out) for out in entry["outs"]):
            trusted.add(name)
    return Lineage(root, stages, lineage.entries, frozenset(trusted), params)


def describe_stage(lineage: Lineage, stage: Stage) -> Entry:
    """The dvc.lock entry of a stage from the files as they are; missing files are left out."""
    made = {out["path"]: out for entry in lineage.entries.values() for out in entry["outs"]}
    unmade = {out for other in lineage.stages.values() for out in other.outs} - made.keys()
    deps = [made.get(path) or hash_path(lineage.root, path) for path in stage.deps
            if path not in unmade]  # fmt: skip
    return {
        "cmd": stage.cmd,
        "deps": [dep for dep in deps if dep],
        "params": {PARAMS: {name: _look_up(lineage.params, name) for name in stage.params}},
        "outs": [out for path in stage.outs if (out := hash_path(lineage.root, path))],
    }


def _fits(lineage: Lineage, entry: Entry) -> bool:
    """Whether what other stages made is still what this entry was made from."""
    made = {out["path"]: out for other in lineage.entries.values() for out in other["outs"]}
    outs = {out for stage in lineage.stages.values() for out in stage.outs}
    return all(
        dep["md5"] == made.get(dep["path"], {}).get("md5")
        for dep in entry["deps"]
        if dep["path"] in outs
    )


def _is_on_disk(root: Path, out: Entry) -> bool:
    found = hash_path(root, out["path"])
    return found is not None and found["md5"] == out["md5"]


def _read_stages(path: Path, params: dict[str, Any]) -> dict[str, Stage]:
    stages = {
        name: Stage(
            name,
            _fill_in(content["cmd"], params),
            _paths(content.get("deps", []), params),
            content.get("params", []),
            _paths(content.get("outs", []), params),
        )
        for name, content in read_params(path)["stages"].items()
    }
    makers = {out: stage.name for stage in stages.values() for out in stage.outs}
    graph = {n: [makers[dep] for dep in s.deps if dep in makers] for n, s in stages.items()}
    return {name: stages[name] for name in TopologicalSorter(graph).static_order()}


def _paths(items: Iterable[str | dict[str, Any]], params: dict[str, Any]) -> list[str]:
    names = (next(iter(item)) if isinstance(item, dict) else item for item in items)
    return [_fill_in(name, params) for name in names]


def _fill_in(text: str, params: dict[str, Any]) -> str:
    return REFERENCE.sub(lambda match: str(_look_up(params, match[1])), text)


def _look_up(params: dict[str, Any], name: str) -> Any:
    """A section, or one value by its dotted name."""
    found: Any = params
    for part in name.split("."):
        found = found[part]
    return found
