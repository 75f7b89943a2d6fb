import os
import subprocess
import sys

import psutil
import pytest

from captcha_tagger.base.processes import map_batches
from tests.repository import ROOT


def double(batch):
    return [2 * item for item in batch]


def die_of_seven(batch):
    if 7 in batch:
        os._exit(1)
    return double(batch)


def name_process(batch):
    return os.getpid()


def fail(batch):
    raise RuntimeError("bug")


def run(function, processes):
    batches = [list(range(start, start + 4)) for start in range(0, 40, 4)]
    results = map_batches(function, batches, processes=processes, on_crash=lambda item: [-item])
    return [value for result in results for value in result]


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order(processes):
    assert run(double, processes) == [2 * item for item in range(40)]


def test_only_the_item_that_kills_its_process_is_lost():
    assert run(die_of_seven, 2) == [-7 if item == 7 else 2 * item for item in range(40)]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_bug_stays_a_bug(processes):
    with pytest.raises(RuntimeError, match="bug"):
        run(fail, processes)


def test_no_process_outlives_a_killed_parent():
    script = (
        "import os, time\n"
        "from captcha_tagger.base.processes import map_batches\n"
        "from tests.base.test_processes import name_process\n"
        "batches = iter(lambda: time.sleep(0.01) or [1], None)\n"
        "for pid in map_batches(name_process, batches, processes=2, on_crash=print):\n"
        "    print(pid, flush=True)\n"
    )
    command = [sys.executable, "-c", f"if __name__ == '__main__':\n    exec({script!r})"]
    with subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": "src:."}, stdout=-1) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running()
