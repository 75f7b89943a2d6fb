"""The processes that carry the outbox to the store: once, or while a training goes on.

python -m captcha_tagger.tracking.follow [STAGE JOURNAL PID]
"""

import os
import sys
import time
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json
from captcha_tagger.tracking import outbox
from captcha_tagger.tracking import store as tracking
from captcha_tagger.tracking.priority import step_back
from captcha_tagger.tracking.sampling import sample_process

EVERY_SECONDS = 10.0


def follow(stage: str, journal: Path, pid: int) -> None:
    """Carry the curves of a training to the store until it ends, without getting in its way."""
    step_back(os.getpid())
    while True:
        time.sleep(EVERY_SECONDS)
        try:
            done = read_json(journal / "facts.json")["done"]
        except FileNotFoundError:
            done = True
        if done:
            return  # the stage itself has the rest recorded
        alive = sample_process(pid, journal / "system.csv")
        status = "RUNNING" if alive else "KILLED"
        try:
            outbox.put(Path.cwd(), stage, journal=journal, status=status)
        except (OSError, InputError):
            return  # DVC has thrown this copy of the workspace away
        _record()
        if not alive:
            return


def _record() -> bool:
    """Empty the outbox; what cannot be recorded stays there, and one line says why."""
    try:
        tracking.record_all(tracking.connect())
    except (*tracking.ERRORS, InputError) as error:
        reason = str(error).split("\n")[0]
        print(f"record: {time.strftime('%Y-%m-%d %H:%M:%S')}: {reason}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    match sys.argv[1:]:
        case [stage, journal, pid]:
            follow(stage, Path(journal), int(pid))
        case _:
            sys.exit(0 if _record() else 1)
