"""Processes that a process has started, and their children, do not outlive it.

A guard waits at the other end of a pipe, which closes when the process ends, even if it is killed.
The guard then kills every process whose environment holds its word.

python -m captcha_tagger.sweep.guard WORD
"""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO

import psutil

GUARDED = "CAPTCHA_TAGGER_GUARDED"
LONGEST_END = 60.0  # a disk that does not answer may keep a killed process
POLL_SECONDS = 0.05


@contextmanager
def guarding(log: IO[bytes]) -> Iterator[dict[str, str]]:
    """The variables for what the block starts: whoever has them does not outlive the block, or
    this process. The log hears what the guard says."""
    word = secrets.token_hex(8)
    with subprocess.Popen(
        [sys.executable, "-m", "captcha_tagger.sweep.guard", word],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env={name: value for name, value in os.environ.items() if name != GUARDED},
        start_new_session=True,
    ) as guard:
        if guard.wait():
            raise OSError("the guard of a trial's processes could not be started")
        try:
            yield {GUARDED: word}
        finally:
            end_processes(partial(_has, word))


def end_processes(chosen: Callable[[psutil.Process], bool]) -> None:
    """Kill the chosen, and what they have begun meanwhile."""
    ends = time.monotonic() + LONGEST_END
    while found := [process for process in psutil.process_iter() if chosen(process)]:
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if time.monotonic() > ends:
            return
        time.sleep(POLL_SECONDS)


def _has(word: str, process: psutil.Process) -> bool:
    try:
        return process.environ().get(GUARDED) == word
    except (psutil.Error, OSError):  # another user's, or it has just ended
        return False


def main() -> None:
    (word,) = sys.argv[1:]
    if os.fork():  # Ray ends the children of a process with it, but not theirs
        return
    sys.stdin.read()
    end_processes(partial(_has, word))


if __name__ == "__main__":
    main()
