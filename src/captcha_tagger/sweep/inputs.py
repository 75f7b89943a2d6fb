"""What trials read beside code: is it what the workspace has?

A trial runs in a clone, which has what Git and DVC keep. What neither keeps is read where it lies.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.settings import PARAMS, read_params
from captcha_tagger.base.shown import escape
from captcha_tagger.source.source import identify_source
from captcha_tagger.source.store import is_store
from captcha_tagger.sweep.driver import Runner, run_dvc
from captcha_tagger.sweep.plan import Settings, change
from captcha_tagger.sweep.trial import Outcome, Trial
from captcha_tagger.tracking.keeping import read_keeping
from captcha_tagger.tracking.lineage import list_inputs

CODE = ("src/", "stages/", "dvc.yaml")


def find_inputs(root: Path, trials: Iterable[Settings]) -> list[str]:
    """What the trials' stages read beside code and each other's outputs, and is there or in a
    store."""
    params, pipeline = read_params(root / PARAMS), (root / "dvc.yaml").read_text(encoding="utf-8")
    naming = dict.fromkeys(
        tuple((name, value) for name, value in trial.items() if f"${{{name}}}" in pipeline)
        for trial in trials
    )
    paths = {path for one in naming for path in list_inputs(root, change(params, dict(one)))}
    return sorted(
        path
        for path in paths
        if not path.startswith(CODE) and (is_store(path) or (root / path).exists())
    )


def check_inputs(root: Path, paths: Iterable[str]) -> list[str]:
    """Those that are read where they lie; InputError where a clone would have other data than the
    workspace."""
    in_dvc, where_they_lie = list[str](), list[str]()
    for path in paths:
        keeping = None if is_store(path) else read_keeping(root, path)
        if keeping is None or keeping.keeper is None:
            where_they_lie.append(path)
            continue
        if keeping.missing:
            raise InputError(
                f"{escape(keeping.missing)}: known neither to Git nor to DVC, as other files of "
                f"{path} are, and a trial runs in a clone; {keeping.keeper} add it"
            )
        in_dvc += keeping.in_dvc
    for path in _find_changed(root, in_dvc):
        raise InputError(
            f"{path}: not as DVC's cache has it, and a trial runs in a clone; dvc add {path}"
        )
    return where_they_lie


def identify_inputs(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """A word for each that changes when its content does."""
    places = {path: path if is_store(path) else root / path for path in paths}
    return {path: identify_source(place) for path, place in places.items()}


def run_on(data: dict[str, str], identify: Callable[[], dict[str, str]], run: Runner) -> Runner:
    """Runs trials only as long as this is the data."""

    def run_on_data(trial: Trial) -> Outcome:
        now = identify()
        if changed := [path for path in data if now[path] != data[path]]:
            failure = f"{changed[0]}: changed since the sweep began; begin another"
            trial.log.write_text(f"{failure}\n", encoding="utf-8")
            return Outcome(0.0, {}, failure)
        return run(trial)

    return run_on_data


def _find_changed(root: Path, in_dvc: list[str]) -> Iterator[str]:
    """What is not as its .dvc file says, or not in the cache; DVC hashes what has changed alone."""
    if not in_dvc:
        return
    said = json.loads(run_dvc(root, "status", "--json", *(f"{path}.dvc" for path in in_dvc)))
    for entry in chain.from_iterable(said.values()):
        if isinstance(entry, dict):  # else a word on the .dvc file itself
            yield from entry.get("changed outs", {})
