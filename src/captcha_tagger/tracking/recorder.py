"""The process that records: it turns files into rows of the outbox, and those into the store's.

python -m captcha_tagger.tracking.recorder soon|now STAGE PID   # of a stage that has ended well
python -m captcha_tagger.tracking.recorder follow JOURNAL       # of a training that goes on

The caller waits until its output ends: from then on everything needed is copied. It may come late,
and takes only what is meant for its own store; who records by hand takes all that waits.
"""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from captcha_tagger.base.collector import keep_imports
from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import write_json
from captcha_tagger.base.places import digest_store, root_folder, state_folder
from captcha_tagger.base.work.processes import step_back
from captcha_tagger.engine.journal import read_facts
from captcha_tagger.tracking import outbox
from captcha_tagger.tracking.lineage import PHASES, Lineage, read_lineage
from captcha_tagger.tracking.origin import name_run, read_origin
from captcha_tagger.tracking.row import NAME, RunRow, build_phase, build_row
from captcha_tagger.tracking.sampling import has_idle_core, is_alive, sample_process

EVERY_SECONDS = 10.0
SOON_SECONDS = 30.0  # within which a later stage may take the record along
NONE: Mapping[str, str] = {}
KEPT_SECONDS = 30 * 24 * 3600.0  # how long a killed training can be resumed


def record_stage(stage: str, pid: int, *, soon: bool) -> bool:
    """Record what the stage of process `pid` has made; false when the store did not take it."""
    seen, lineage, meant_for = time.time_ns(), read_lineage(Path.cwd(), stage), digest_store()
    origin = read_origin(lineage)
    _keep_facts(lineage, stage, pid, origin)
    if _is_left_to_others():
        return True
    entry = _put(lineage, seen, origin, meant_for)
    _let_go(step_aside=soon)
    _sweep()
    if soon and entry is not None and _is_taken_along(entry):
        return True
    return _empty_outbox(meant_for)


def record_workspace() -> list[str]:
    """Record what is on disk and all that waits; returns the ids of the rows.

    InputError when there is nothing; OSError when the store does not answer or the disk is full.
    """
    from captcha_tagger.tracking import store  # slow to import

    seen, lineage = time.time_ns(), read_lineage(root_folder())
    _put(lineage, seen, {NAME: name_run(lineage)}, digest_store())
    if not outbox.waiting():
        raise InputError("nothing here has been trained by DVC; run dvc repro")
    return store.record_all(store.connect(create=True))


def record_clone(clone: Path, tags: dict[str, str]) -> list[str]:
    """Record what a clone of this repository has on disk, with these tags beside its own.

    Its trainings ran with CAPTCHA_TAGGER_RECORD=keep. Raises as `record_workspace`.
    """
    from captcha_tagger.tracking import store  # slow to import

    seen, lineage = time.time_ns(), read_lineage(clone)
    for facts in (clone / ".state" / "facts").glob("*"):
        shutil.copytree(facts, state_folder() / "facts" / facts.name, dirs_exist_ok=True)
    meant_for = digest_store()
    _put(lineage, seen, {NAME: name_run(lineage)}, meant_for, tags)
    return store.record_all(store.connect(create=True), meant_for)


def follow(journal: Path) -> None:
    """Carry the curves of a training to the store until it ends, without getting in its way."""
    if _is_left_to_others():
        return
    stage = journal.name.rpartition("-")[0]
    lineage = read_lineage(Path.cwd(), stage)
    phases, origin = _read_phases(lineage), read_origin(lineage)
    status, meant_for = "RUNNING", digest_store()
    while status == "RUNNING" and (facts := read_facts(journal)):
        seen, status = time.time_ns(), _find_status(facts)
        phases[stage] = build_phase(lineage, stage, journal, status)
        row = build_row(lineage, phases, origin)
        outbox.put(replace(row, journal=str(journal), store=meant_for), seen)
        _let_go(step_aside=True)
        _empty_outbox(meant_for)
        if status == "RUNNING":
            sample_process(facts, journal / "system.csv")
            time.sleep(EVERY_SECONDS)


def _is_left_to_others() -> bool:
    """Whether somebody else records this, from the facts that are kept here."""
    return os.environ.get("CAPTCHA_TAGGER_RECORD") == "keep"


def _find_status(facts: dict[str, Any]) -> str:
    """How a training that told these facts goes on, or how it ended."""
    status = str(facts["status"])
    if status not in ("RUNNING", "FINISHED"):
        return status
    if is_alive(facts):
        return "RUNNING"  # one that is finished has yet to write its outputs
    return "KILLED" if status == "RUNNING" else "FAILED"


def _put(
    lineage: Lineage,
    seen: int,
    origin: dict[str, str],
    meant_for: str,
    tags: Mapping[str, str] = NONE,
) -> Path | None:
    """Put what has trained, if anything, into the outbox; returns the entry.

    Where its own training said its origin, that counts.
    """
    phases = _read_phases(lineage)
    for phase in phases:
        facts = read_facts(_facts_folder(lineage, phase))
        if facts.get("row") == lineage.key("fine_tune"):
            origin = facts["origin"]
    if not phases:
        return None
    row = build_row(lineage, phases, {**origin, **tags})
    return outbox.put(replace(row, store=meant_for), seen, lineage)


def _is_taken_along(entry: Path) -> bool:
    """Whether another recorder takes the entry, or a later one in its place, while no core is idle.

    So short stages on a busy machine load MLflow once, and the last one finds no lock that is held
    by a process of the lowest priority.
    """
    end = time.monotonic() + SOON_SECONDS
    while entry.exists() and time.monotonic() < end and not has_idle_core():
        pass
    return not entry.exists()


def _read_phases(lineage: Lineage) -> dict[str, RunRow]:
    done = [phase for phase in PHASES if phase in lineage.trusted]
    return {phase: build_phase(lineage, phase, _facts_folder(lineage, phase)) for phase in done}


def _facts_folder(lineage: Lineage, phase: str) -> Path:
    return state_folder() / "facts" / f"{phase}-{lineage.key(phase)}"


def _keep_facts(lineage: Lineage, stage: str, pid: int, origin: dict[str, str]) -> None:
    """Move the journal of the training that has just ended to `.state/facts/`, by its key."""
    for journal in (state_folder() / "live").glob(f"{stage}-*"):
        if (facts := read_facts(journal)).get("pid") == pid:
            kept = _facts_folder(lineage, stage)
            shutil.rmtree(kept, ignore_errors=True)
            kept.parent.mkdir(exist_ok=True)
            journal.replace(kept)  # whoever follows it ends
            row = {"row": lineage.key("fine_tune"), "origin": origin}
            write_json(kept / "facts.json", {**facts, **row})


def _sweep() -> None:
    """Remove what killed trainings and recorders left a month ago; what runs is touched often."""
    for pattern in ("live/*", "resume/*", "outbox/.*.partial"):
        for path in state_folder().glob(pattern):
            with suppress(OSError):
                newest = max(p.stat().st_mtime for p in (path, *path.glob("*")))
                if time.time() - newest > KEPT_SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _empty_outbox(meant_for: str) -> bool:
    """Record what waits for this store; what cannot be recorded stays, and one line says why."""
    from captcha_tagger.tracking import store  # slow to import, and the caller waits no more

    try:
        store.record_all(store.connect(create=True), meant_for)
    except (InputError, OSError) as error:
        print(f"record: {time.strftime('%Y-%m-%d %H:%M:%S')}: {error}", file=sys.stderr)
        return False
    return True


def _let_go(*, step_aside: bool) -> None:
    """End the output that the caller reads; what is printed later goes to the log.

    From here on nothing is needed of this copy of the workspace, which DVC may throw away.
    """
    os.chdir(root_folder())
    if step_aside:
        step_back(os.getpid())
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def main(words: list[str]) -> int:
    try:
        match words:
            case ["soon" | "now" as when, stage, pid]:
                return 0 if record_stage(stage, int(pid), soon=when == "soon") else 1
            case ["follow", journal]:
                follow(Path(journal))
    except (InputError, OSError) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    keep_imports()
    sys.exit(status)
