"""Whatever an image does to its decoder, the caller survives."""

import os
import shutil
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.decoding import BASE_BYTES, CRASH
from captcha_tagger.source.decoding_process import DecodingProcess, DecodingProcesses

PATIENT = {"max_pixels": 1000, "max_seconds": 60}


def answer_late(data: bytes) -> bytes:
    time.sleep(1)
    return data


def die(_: bytes) -> None:
    os._exit(1)


def ask_pid(_: bytes) -> int:
    return os.getpid()


def hang(_: bytes) -> None:
    time.sleep(60)


def do(data: bytes) -> bytes:
    {b"die": die, b"hang": hang, b"refuse": refuse}.get(data, bytes)(data)
    return data


def refuse(_: bytes) -> None:
    raise InputError("no image")


def take_memory(_: bytes) -> str:
    try:
        return str(len(bytearray(2 * BASE_BYTES)))
    except MemoryError:
        return "needs more memory than there is"


def test_what_takes_too_long_ends_with_its_process() -> None:
    with DecodingProcess(max_pixels=1000, max_seconds=0.2) as process:
        before = process.pid
        with pytest.raises(InputError, match=r"takes more than 0\.2 seconds"):
            process.run(hang, b"")
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        assert process.run(len, b"abc") == 3


def test_a_process_that_dies_is_replaced() -> None:
    with DecodingProcess(**PATIENT) as process:
        with pytest.raises(InputError, match="damaged image: it crashes its decoder"):
            process.run(die, b"")
        assert process.run(len, b"abc") == 3


def test_a_reason_is_passed_on_and_the_process_kept() -> None:
    with DecodingProcess(**PATIENT) as process:
        before = process.pid
        with pytest.raises(InputError, match="no image"):
            process.run(refuse, b"")
        assert process.pid == before


def test_its_memory_is_bounded() -> None:
    with DecodingProcess(**PATIENT) as process:
        assert process.run(take_memory, b"") == "needs more memory than there is"


def test_after_ctrl_c_a_late_answer_is_not_the_next_ones() -> None:
    with DecodingProcess(**PATIENT) as process:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            process.run(answer_late, b"late")
        assert process.run(len, b"abc") == 3


def test_each_thread_gets_its_own_answers_from_one_process_a_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("captcha_tagger.source.decoding_process.count_cores", lambda: 2)
    with DecodingProcesses(**PATIENT) as processes, ThreadPoolExecutor(8) as threads:
        data = [bytes([number]) for number in range(200)]
        pairs = [[one, one + one] for one in data]
        assert list(threads.map(lambda pair: processes.run_each(bytes, pair), pairs)) == pairs
        pids = threads.map(lambda pair: processes.run_each(ask_pid, pair), pairs)
        assert len({pid for two in pids for pid in two}) <= 2


def test_one_item_costs_no_other_of_those_asked_together() -> None:
    with DecodingProcess(max_pixels=1000, max_seconds=1) as process:
        items = [b"a", b"die", b"refuse", b"hang", b"b"]
        results = list(process.run_each(do, items))
    assert results[0::4] == [b"a", b"b"]
    assert [str(result) for result in results[1:4]] == [
        CRASH, "no image", "takes more than 1 seconds",
    ]  # fmt: skip


def test_a_process_killed_while_nobody_asks_costs_nothing() -> None:
    with DecodingProcess(**PATIENT) as process:
        os.kill(process.pid, signal.SIGKILL)
        process._process.wait()
        assert process.run(len, b"abc") == 3


def test_where_none_starts_no_image_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    with DecodingProcess(**PATIENT) as process:
        with pytest.raises(InputError):
            process.run(die, b"")
        monkeypatch.setattr(sys, "executable", shutil.which("false"))
        for _ in range(2):
            with pytest.raises(ChildProcessError, match="decodes images does not start"):
                process.run(len, b"abc")
        monkeypatch.undo()
        assert process.run(len, b"abc") == 3


def test_a_fork_has_processes_of_its_own() -> None:
    with DecodingProcesses(**PATIENT) as processes:
        (pid,) = processes.run_each(ask_pid, [b""])
        reading, writing = os.pipe()
        if not (child := os.fork()):
            warnings.simplefilter("ignore")  # of processes that are not its own
            os.write(writing, str(processes.run_each(ask_pid, [b""])[0]).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert int(os.read(reading, 100)) != pid
        assert processes.run_each(ask_pid, [b""]) == [pid]
