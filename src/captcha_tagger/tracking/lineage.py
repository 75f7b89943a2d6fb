"""dvc.lock as the truth about what lies on disk: which params, data and code made each output.

dvc.yaml, dvc.lock, params.yaml and the outputs -> Lineage, and from it the key of an experiment.
The stage that DVC is running has no entry yet; its entry is written here as DVC will write it.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import hash_path
from captcha_tagger.base.settings import read_params

PHASES = ("train_head", "fine_tune")
PARAMS = "params.yaml"
REFERENCE = re.compile(r"\$\{([\w.]+)\}")

Entry = dict[str, Any]  # one stage of dvc.lock


@dataclass(frozen=True)
class Lineage:
    """The stages of dvc.yaml in their order, and the dvc.lock entries that fit together.

    `makers` are the stages by the outputs that they make; `trusted` those whose outputs on disk are
    those of their entry.
    """

    root: Path
    params: dict[str, Any]
    stages: dict[str, Entry]
    makers: dict[str, str]
    entries: dict[str, Entry] = field(default_factory=dict)
    trusted: set[str] = field(default_factory=set)

    def upstream(self, name: str) -> list[str]:
        """The stage and all that it depends on, in the order of the pipeline."""
        found, waiting = set[str](), [name]
        while waiting:
            found.add(stage := waiting.pop())
            waiting += [self.makers[dep] for dep in self.stages[stage]["deps"]
                        if dep in self.makers]  # fmt: skip
        return [stage for stage in self.stages if stage in found]

    def entry(self, name: str) -> Entry:
        """The entry of the stage; of one that has yet to run, what is known of it beforehand."""
        return self.entries.get(name) or self.describe(name)

    def sections(self, names: Iterable[str]) -> dict[str, Any]:
        """The params of these stages, as dvc.lock has them."""
        entries = [self.entry(name) for name in names]
        return {section: v for entry in entries for section, v in entry["params"][PARAMS].items()}

    def key(self, stage: str) -> str:
        """A digest of everything that determines what the training `stage` makes.

        Params of all stages before it, the data that these handed over, the code that trains.
        It is known as soon as head training starts, and does not change afterwards.
        """
        names = self.upstream(stage)
        outs = [out for n in names if n not in PHASES for out in self.entry(n)["outs"]]
        deps = [dep for n in names if n in PHASES for dep in self.entry(n)["deps"]]
        content = {
            "params": self.sections(names),
            "data": {out["path"]: out["md5"] for out in outs},
            "code": {dep["path"]: dep["md5"] for dep in deps if dep["path"] not in self.makers},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]

    def describe(self, name: str) -> Entry:
        """The dvc.lock entry of a stage from the files as they are; missing files are left out."""
        stage, made = self.stages[name], self._made()
        paths = [path for path in stage["deps"] if path in made or path not in self.makers]
        deps = [made.get(path) or hash_path(self.root, path) for path in paths]
        outs = [hash_path(self.root, path) for path in stage["outs"]]
        return {
            "cmd": stage["cmd"],
            "deps": [dep for dep in deps if dep],
            "params": {
                PARAMS: {
                    name: _look_up(self.params, name)
                    for name in stage["params"]
                    if isinstance(name, str)  # not those of another file
                }
            },
            "outs": [out for out in outs if out],
        }

    def fits(self, entry: Entry) -> bool:
        """Whether what other stages made is still what this entry was made from."""
        made = self._made()
        ours = [dep for dep in entry["deps"] if dep["path"] in self.makers]
        return all(made.get(dep["path"], {}).get("md5") == dep["md5"] for dep in ours)

    def _made(self) -> dict[str, Entry]:
        return {out["path"]: out for entry in self.entries.values() for out in entry["outs"]}


def read_lineage(root: Path, running: str | None = None) -> Lineage:
    """Read what made the outputs under `root`; `running` names the stage that DVC is running."""
    params = read_params(root / PARAMS)
    lineage = Lineage(root, params, *_read_stages(root / "dvc.yaml", params))
    locked = _read_lock(root / "dvc.lock")
    before = set(lineage.upstream(running)) if running else set[str]()
    for name in lineage.stages:
        entry = lineage.describe(name) if name == running else locked.get(name)
        if entry is None or not lineage.fits(entry):
            continue
        lineage.entries[name] = entry
        # DVC has just checked what comes before the running stage; hashing it again takes time.
        if name in before or all(_is_on_disk(root, out) for out in entry["outs"]):
            lineage.trusted.add(name)
    return lineage


def list_inputs(root: Path, params: dict[str, Any]) -> list[str]:
    """What the stages read, with these params, that none of them makes: data, tables, code."""
    stages, makers = _read_stages(root / "dvc.yaml", params)
    return sorted({dep for stage in stages.values() for dep in stage["deps"]} - makers.keys())


def _read_lock(path: Path) -> dict[str, Entry]:
    """The entries by stage, with the keys that DVC leaves out where a stage has none of a kind."""
    found = (read_params(path).get("stages") or {}) if path.exists() else {}
    return {
        name: {"deps": [], "outs": [], **entry, "params": {PARAMS: {}, **entry.get("params", {})}}
        for name, entry in found.items()
    }


def _is_on_disk(root: Path, out: Entry) -> bool:
    found = hash_path(root, out["path"])
    return found is not None and found["md5"] == out["md5"]


def _read_stages(path: Path, params: dict[str, Any]) -> tuple[dict[str, Entry], dict[str, str]]:
    """The stages, their `${...}` filled in, each after those that it needs; and their makers."""
    stages = {name: {"deps": [], "params": [], "outs": [], **stage}
              for name, stage in (read_params(path).get("stages") or {}).items()}  # fmt: skip
    if missing := [name for name in PHASES if name not in stages]:
        raise InputError(f"{path}: has no stage {missing[0]}")
    for stage in stages.values():
        for kind in ("deps", "outs"):  # each a path, alone or with how DVC is to treat it
            paths = [one if isinstance(one, str) else next(iter(one)) for one in stage[kind]]
            stage[kind] = [_fill_in(path, params) for path in paths]
    makers = {out: name for name, stage in stages.items() for out in stage["outs"]}
    needed = {n: [makers[dep] for dep in s["deps"] if dep in makers] for n, s in stages.items()}
    return {name: stages[name] for name in TopologicalSorter(needed).static_order()}, makers


def _fill_in(text: str, params: dict[str, Any]) -> str:
    """The text with its params; what else DVC would fill in, such as a matrix's items, stays."""

    def fill(match: re.Match[str]) -> str:
        try:
            return str(_look_up(params, match[1]))
        except (KeyError, TypeError):
            return match[0]

    return REFERENCE.sub(fill, text)


def _look_up(params: dict[str, Any], name: str) -> Any:
    """A section, or one value by its dotted name."""
    found: Any = params
    for part in name.split("."):
        found = found[part]
    return found
