import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from captcha_tagger.reproduce.verify import environment
from tests.repository import ROOT
from tests.servers import free_port


@pytest.mark.slow
def test_the_ui_listens_on_this_machine_alone(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "dvc.yaml").touch()  # what makes a folder a repository
    with (
        (tmp_path / "ui.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "captcha_tagger.commands.cli", "ui", "--port", str(port)],
            cwd=tmp_path,
            env=environment() | {"PYTHONPATH": str(ROOT / "src")},
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as server,
    ):
        try:
            addresses = wait_for_listeners(server)
        finally:
            os.killpg(server.pid, 15)
    assert addresses == {("127.0.0.1", port)}, (tmp_path / "ui.log").read_text()


def wait_for_listeners(server: "subprocess.Popen[bytes]") -> set[tuple[str, int]]:
    """The addresses that the process and its children listen on, once there are any."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        process = psutil.Process(server.pid)
        found = {
            address
            for one in [process, *process.children(recursive=True)]
            for address in listening(one)
        }
        if found:
            return found
        time.sleep(0.5)
    return set()


def listening(process: psutil.Process) -> list[tuple[str, int]]:
    """The addresses that one process listens on; none when it has just ended."""
    with suppress(psutil.NoSuchProcess):
        return [
            (connection.laddr.ip, connection.laddr.port)
            for connection in process.net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        ]
    return []
