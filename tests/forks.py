"""Run scripts as `python SCRIPT --help`, each in a fork of one process that has imported torch.

python tests/forks.py, then a line on stdin for each: SCRIPT, a tab, FOLDER -> its exit code. What
it says lies in FOLDER, where it ran, as `stdout` and `stderr`.
"""

import gc
import os
import runpy
import sys
from pathlib import Path

import torch  # noqa: F401  # two seconds, which most of them would take


def become(script: str, folder: str) -> None:
    """Be what `python SCRIPT --help` in the folder would be."""
    os.chdir(folder)
    for number, name in ((sys.stdout.fileno(), "stdout"), (sys.stderr.fileno(), "stderr")):
        os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY), number)
    sys.argv, sys.path[0] = [script, "--help"], str(Path(script).parent)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    gc.freeze()  # a fork would search, and so copy, all of torch at its end
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become(*line.rstrip("\n").split("\t"))
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
