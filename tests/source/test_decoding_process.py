"""Whatever an image does to its decoder, the one who asked goes on."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.decoding import BASE_BYTES
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
        assert process.pid != before
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)


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
    processes = DecodingProcesses(**PATIENT)
    with ThreadPoolExecutor(8) as threads:
        data = [bytes([number]) for number in range(200)]
        assert list(threads.map(lambda one: processes.run(bytes, one), data)) == data
        assert len(set(threads.map(lambda one: processes.run(ask_pid, one), data))) <= 2
