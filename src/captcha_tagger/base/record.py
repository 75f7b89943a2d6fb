"""How a stage tells the record what happened, without waiting for it.

Stages write files and start processes, nothing else: whatever is wrong with a tracking server,
training never notices. What runs there is `captcha_tagger.tracking`.
"""

import os
import subprocess
import sys

WAIT_SECONDS = 60.0  # how long the last stage waits for a store


def record_soon(stage: str) -> None:
    """Have the stage's outputs recorded in the background."""
    _post(stage, wait_seconds=0.0)


def record_now(stage: str) -> None:
    """Have the last stage's outputs recorded and wait for it, or say in one line that it failed."""
    _post(stage, wait_seconds=WAIT_SECONDS)


def _post(stage: str, *, wait_seconds: float) -> None:
    """Only what DVC runs is recorded: dvc.lock alone knows what made an output."""
    if is_recorded():
        subprocess.run(
            [*python("outbox"), "post", stage, str(os.getpid()), str(wait_seconds)], check=False
        )


def is_recorded() -> bool:
    """Whether DVC runs this stage and nobody has set CAPTCHA_TAGGER_RECORD=off."""
    return "DVC_STAGE" in os.environ and os.environ.get("CAPTCHA_TAGGER_RECORD") != "off"


def python(module: str) -> list[str]:
    return [sys.executable, "-m", f"captcha_tagger.tracking.{module}"]
