import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from captcha_tagger.base.work.processes import limit_memory, limit_seconds, map_batches
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
        "from captcha_tagger.base.work.processes import map_batches\n"
        "from tests.base.work.test_processes import name_process\n"
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


def test_a_script_whose_processes_cannot_start_ends(tmp_path):
    """Each process dies as it imports the script: every item was taken for one that kills."""
    script = tmp_path / "script.py"
    script.write_text(
        "from captcha_tagger.base.work.processes import map_batches\n"
        "list(map_batches(len, [[1]] * 1000, processes=2, on_crash=print))\n"
    )
    command = [sys.executable, script]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    # Python may add that a process which the pool ended left a semaphore.
    assert "does the script ask whether it is __main__?" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much a process has")
def test_more_memory_than_allowed_is_refused_and_then_allowed_again():
    with pytest.raises(MemoryError), limit_memory(1 << 28):
        bytearray(1 << 29)
    assert bytearray(1 << 29)


def test_a_loop_that_takes_too_long_ends():
    with pytest.raises(TimeoutError), limit_seconds(0.05):
        while True:
            pass


def test_no_alarm_rings_after_its_time():
    with limit_seconds(0.05):
        pass
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass


def test_ctrl_c_ends_quietly():
    """Every process of the pool printed a traceback of its own."""
    script = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job of a shell ignores it
        "from captcha_tagger.base import stage\n"
        "from captcha_tagger.base.work.processes import map_batches\n"
        "from tests.base.work.test_processes import name_process\n"
        "def main():\n"
        "    batches = iter(lambda: time.sleep(0.01) or [1], None)\n"
        "    for pid in map_batches(name_process, batches, processes=2, on_crash=print):\n"
        "        print(pid, flush=True)\n"
        "stage.run(main)\n"
    )
    command = [sys.executable, "-c", f"if __name__ == '__main__':\n    exec({script!r})"]
    with subprocess.Popen(
        command, cwd=ROOT, env={"PYTHONPATH": "src:."}, stdout=-1, stderr=-1, start_new_session=True
    ) as parent:
        parent.stdout.readline()
        os.killpg(parent.pid, signal.SIGINT)
        _, said = parent.communicate(timeout=30)
    assert (parent.returncode, said) == (130, b"-c: interrupted\n")
