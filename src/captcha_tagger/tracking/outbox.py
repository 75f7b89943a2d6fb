"""What waits to be recorded: `.state/outbox/`, a folder for each state of an experiment.

A stage's outputs and journal -> a folder with row.json, artifacts/, model/ and code/, whole or
absent. It needs neither a store nor the workspace that it came from, which DVC may throw away.

python -m captcha_tagger.tracking.outbox post STAGE PID SECONDS
"""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from captcha_tagger.base.files import atomic_folder, read_json, write_json
from captcha_tagger.base.places import root_folder, source_folder, state_folder
from captcha_tagger.tracking.lineage import PHASES, Lineage, hash_path, read_lineage
from captcha_tagger.tracking.priority import step_back
from captcha_tagger.tracking.row import build_row

LARGEST_FILE_BYTES = 50_000_000  # of an artifact that people look at
PAGES = (".json", ".csv", ".md", ".html", ".png", ".svg", ".npy")
LEFT_OUT = ("pixels.npy", "probs.npy", "losses.npy")


def outbox() -> Path:
    return state_folder() / "outbox"


def post(stage: str, pid: int, wait_seconds: float) -> None:
    """Put what the running stage has made into the outbox and have it recorded."""
    _keep_facts(stage, pid)
    if put(Path.cwd(), stage) is None:
        return
    process = start_recording()
    if wait_seconds == 0:
        step_back(process.pid)
        return
    try:
        failed = process.wait(wait_seconds) != 0
    except subprocess.TimeoutExpired:
        failed = True
    if failed:
        print(
            f"{stage}: the MLflow store did not take the record in time (see .state/record.log); "
            "nothing is lost, `make record` completes it",
            file=sys.stderr,
        )


def put(
    root: Path, running: str | None = None, *, journal: Path | None = None, status: str = "RUNNING"
) -> Path | None:
    """Copy the state of the experiment under `root` into the outbox, if it has trained at all.

    `journal` is that of the running stage while it has no outputs, `status` then its own.
    """
    name = time.time_ns()  # taken before reading: a later entry has seen at least as much
    lineage = read_lineage(root, running)
    live = {running: status} if running and journal else {}
    if not (lineage.trusted | live.keys()) & set(PHASES):
        return None
    facts = {phase: path for phase in PHASES if (path := _facts_folder(lineage, phase)).exists()}
    if running and journal:
        facts[running] = journal
    row = build_row(lineage, facts, live, _origin(root) if running else _hints(root))
    entry = outbox() / f"{name}-{row.key}"
    with atomic_folder(entry) as folder:
        write_json(folder / "row.json", {**asdict(row), "from_stage": running})
        _copy_artifacts(lineage, folder / "artifacts")
        if row.model:
            shutil.copytree(root / "data" / "fine_tune" / "model", folder / "model")
            _copy_code(folder / "code")
    return entry


def waiting() -> list[Path]:
    """The entries to record, oldest first; an older entry of a key is dropped for a newer one."""
    newest: dict[str, Path] = {}
    for entry in sorted(outbox().glob("[0-9]*-*")):
        key = entry.name.split("-")[1]
        if key in newest:
            shutil.rmtree(newest[key], ignore_errors=True)
        newest[key] = entry
    return sorted(newest.values())


def start_recording() -> subprocess.Popen[bytes]:
    """Start the process that empties the outbox; it goes on when the caller ends."""
    environment = {
        **os.environ,
        "DVC_ROOT": str(root_folder()),
        "PYTHONPATH": str(source_folder()),
    }
    with (state_folder() / "record.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "captcha_tagger.tracking.follow"],
            cwd=root_folder(),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def hash_folder(folder: Path) -> str:
    found = hash_path(folder.parent, folder.name)
    assert found is not None
    return str(found["md5"])


def _keep_facts(stage: str, pid: int) -> None:
    """Move the journal of the training that has just ended to `.state/facts/`, by its key."""
    for journal in (state_folder() / "live").glob(f"{stage}-*"):
        try:
            facts = read_json(journal / "facts.json")
        except FileNotFoundError:
            continue  # another worker's, which has just begun or ended
        if facts["pid"] == pid and facts["done"]:
            lineage = read_lineage(Path.cwd(), stage)
            kept = _facts_folder(lineage, stage)
            write_json(kept / "facts.json", {**facts, "row": lineage.key("fine_tune")})
            if (journal / "system.csv").exists():
                shutil.copyfile(journal / "system.csv", kept / "system.csv")
            shutil.rmtree(journal)


def _facts_folder(lineage: Lineage, phase: str) -> Path:
    return state_folder() / "facts" / f"{phase}-{lineage.key(phase)}"


def _origin(root: Path) -> dict[str, str]:
    """The commit and DVC experiment that a stage runs in."""
    names = {"DVC_EXP_NAME": "dvc.exp_name", "DVC_EXP_BASELINE_REV": "dvc.exp_baseline"}
    found = {tag: os.environ[name] for name, tag in names.items() if os.environ.get(name)}
    return {**_hints(root), **found}


def _hints(root: Path) -> dict[str, str]:
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    # Every run rewrites dvc.lock itself; that alone does not make the commit another.
    changes = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock")
    return {"mlflow.source.git.commit": commit, "git.dirty": json.dumps(bool(changes))}


def _git(root: Path, *words: str) -> str | None:
    run = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
    )
    return run.stdout.strip() if run.returncode == 0 else None


def _copy_artifacts(lineage: Lineage, folder: Path) -> None:
    """What people look at: params, lock, tables, pictures and pages of the stages on disk."""
    folder.mkdir()
    with (folder / "dvc.lock").open("w", encoding="utf-8") as file:
        yaml = YAML()
        yaml.default_flow_style = False
        yaml.dump({"schema": "2.0", "stages": lineage.entries}, file)
    shutil.copyfile(lineage.root / "dvc.yaml", folder / "dvc.yaml")
    for name in sorted(lineage.trusted):
        for out in lineage.entries[name]["outs"]:
            for source in sorted((lineage.root / out["path"]).rglob("*")):
                if _is_page(source):
                    target = folder / source.relative_to(lineage.root / "data")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target)


def _is_page(path: Path) -> bool:
    return (
        path.is_file()
        and path.suffix in PAGES
        and path.name not in LEFT_OUT
        and path.stat().st_size <= LARGEST_FILE_BYTES
        and not {"samples", "model", "answers"} & set(path.parts)
    )


def _copy_code(folder: Path) -> None:
    package = Path(__file__).parents[1]
    ignore = shutil.ignore_patterns("__pycache__", "weights", "families.txt")  # megabytes
    shutil.copytree(package, folder / package.name, ignore=ignore)


def _main(words: list[str]) -> Any:
    match words:
        case ["post", stage, pid, seconds]:
            return post(stage, int(pid), float(seconds))
        case _:
            raise SystemExit(f"unknown: {words}")


if __name__ == "__main__":
    _main(sys.argv[1:])
