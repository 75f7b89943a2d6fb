"""What trials read beside code: is it what the workspace has?

A trial runs in a clone, which has what Git and DVC keep. What neither keeps is read where it lies.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.shown import escape
from captcha_tagger.sweep.driver import run_dvc
from captcha_tagger.tracking.keeping import read_keeping
from captcha_tagger.tracking.lineage import list_inputs

CODE = ("src/", "stages/", "dvc.yaml")


def find_inputs(root: Path) -> list[str]:
    """What the stages read beside code and each other's outputs, and is there."""
    paths = (path for path in list_inputs(root) if not path.startswith(CODE))
    return [path for path in paths if (root / path).exists()]


def check_inputs(root: Path, paths: Iterable[str]) -> None:
    """InputError where a clone would have other data than the workspace."""
    in_dvc = list[str]()
    for path in paths:
        keeping = read_keeping(root, path)
        if keeping and keeping.in_git and keeping.missing:
            raise InputError(
                f"{escape(keeping.missing)}: known neither to Git nor to DVC, as other files of "
                f"{path} are, and a trial runs in a clone; git add it"
            )
        in_dvc += keeping.in_dvc if keeping else []
    for path in _find_changed(root, in_dvc):
        raise InputError(
            f"{path}: not as DVC's cache has it, and a trial runs in a clone; dvc add {path}"
        )


def _find_changed(root: Path, in_dvc: list[str]) -> Iterator[str]:
    """What is not as its .dvc file says, or not in the cache; DVC hashes what has changed alone."""
    if not in_dvc:
        return
    said = json.loads(run_dvc(root, "status", "--json", *(f"{path}.dvc" for path in in_dvc)))
    for entry in chain.from_iterable(said.values()):
        if isinstance(entry, dict):  # else a word on the .dvc file itself
            yield from entry.get("changed outs", {})
