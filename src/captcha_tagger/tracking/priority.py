"""A background process steps back behind the training on the same cores."""

import os
from contextlib import suppress
from pathlib import Path

LOWEST = 19


def step_back(pid: int) -> None:
    """Give a process that leads a session of its own the lowest priority.

    Where Linux groups processes by session (autogroup), niceness counts inside the group alone, and
    the group has a niceness of its own. Source: the manual page sched(7).
    """
    os.setpriority(os.PRIO_PROCESS, pid, LOWEST)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(LOWEST), encoding="ascii")
