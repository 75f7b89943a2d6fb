"""What waits to be recorded: `.state/outbox/`, a folder for each state of an experiment.

A RunRow, and once it has trained its files -> a folder with row.json, artifacts/, model/ and code/,
whole or absent. It needs neither a store nor the workspace that it came from, which DVC may throw
away. An entry leaves when the store shows all of it.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from captcha_tagger.base.files import atomic_folder
from captcha_tagger.base.places import state_folder
from captcha_tagger.tracking.lineage import Lineage
from captcha_tagger.tracking.row import RunRow

LARGEST_FILE_BYTES = 50_000_000  # of an artifact that people look at
PAGES = (".json", ".csv", ".md", ".html", ".png", ".svg")
LEFT_OUT = {"samples", "model", "answers"}  # folders of many files, or that are kept elsewhere
PACKAGE = Path("src/captcha_tagger")
SERVING = ("base", "data", "source", "network", "predict")  # the folders that predict/ needs
ROW = TypeAdapter(RunRow)


def outbox() -> Path:
    return state_folder() / "outbox"


def put(row: RunRow, seen: int, lineage: Lineage | None = None) -> Path:
    """Add a row as it was at `seen` (ns), with the files of its lineage unless it still trains."""
    entry = outbox() / f"{seen}-{row.key}"
    with atomic_folder(entry) as folder:
        (folder / "row.json").write_bytes(ROW.dump_json(row))
        if lineage is not None:
            _copy_artifacts(lineage, folder / "artifacts")
            if row.model:
                shutil.copytree(lineage.root / "data/fine_tune/model", folder / "model")
                copy_code(lineage.root / PACKAGE, folder / "code")
    return entry


def waiting(store: str | None = None) -> list[tuple[Path, RunRow]]:
    """The entries to record, oldest first: those meant for a store, by its digest, or all.

    An older one of the same experiment goes, unless it has a model that the newer one has not. What
    is no entry of this version is set aside with a line, so that it holds up no other.
    """
    found: list[tuple[Path, RunRow]] = []
    for entry in sorted(outbox().glob("[!.]*")):
        try:
            row = ROW.validate_json((entry / "row.json").read_bytes())
        except (OSError, ValueError) as error:
            _set_aside(entry, error)
            continue
        if row.journal and not Path(row.journal).exists():
            shutil.rmtree(entry, ignore_errors=True)
            continue
        if store is not None and row.store not in ("", store):
            continue
        for other in [one for one in found if _is_outdone(one[1], row)]:
            shutil.rmtree(other[0], ignore_errors=True)
            found.remove(other)
        found.append((entry, row))
    return found


def copy_code(package: Path, folder: Path) -> None:
    """Copy what serving a model needs of the package, not the rest of it."""
    target, ignore = folder / package.name, shutil.ignore_patterns("__pycache__")
    for name in SERVING:
        shutil.copytree(package / name, target / name, ignore=ignore)
    shutil.copyfile(package / "__init__.py", target / "__init__.py")


def _is_outdone(old: RunRow, new: RunRow) -> bool:
    return old.key == new.key and old.model in (None, new.model)


def _set_aside(entry: Path, error: Exception) -> None:
    aside = state_folder() / "set_aside" / entry.name
    aside.parent.mkdir(exist_ok=True)
    entry.replace(aside)
    reason = str(error).split("\n")[0]
    print(f"record: {entry.name} cannot be read ({reason}): set aside as {aside}", file=sys.stderr)


def _copy_artifacts(lineage: Lineage, folder: Path) -> None:
    """What people look at: params, lock, tables, pictures and pages of the stages in data/."""
    folder.mkdir()
    yaml: Any = YAML()
    yaml.default_flow_style = False
    yaml.dump({"schema": "2.0", "stages": lineage.entries}, folder / "dvc.lock")
    shutil.copyfile(lineage.root / "dvc.yaml", folder / "dvc.yaml")
    data = lineage.root / "data"
    made = [out["path"] for name in lineage.trusted for out in lineage.entries[name]["outs"]]
    outs = [path for path in map(lineage.root.joinpath, made) if path.is_relative_to(data)]
    for source in [path for out in outs for path in out.rglob("*")]:
        inside = source.relative_to(data)
        if _is_page(source) and not LEFT_OUT & set(inside.parts):
            target = folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _is_page(path: Path) -> bool:
    return path.is_file() and path.suffix in PAGES and path.stat().st_size <= LARGEST_FILE_BYTES
