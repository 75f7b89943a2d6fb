"""Real servers for the tests: PostgreSQL, `mlflow server` on it, one that answers too late, and an
object store."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LATE_SECONDS = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres() -> Iterator[str]:
    """A fresh cluster; yields its database's address. Skips where PostgreSQL is not installed.

    It lives outside of pytest's folders, which no other user may enter.
    """
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(binaries[-1]) if binaries else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    as_user = [] if os.geteuid() else ["runuser", "-u", "postgres", "--"]  # it refuses root
    data, port = Path(tempfile.mkdtemp(prefix="postgres-")), free_port()
    if as_user:
        shutil.chown(data, "postgres")
    quiet = {"cwd": "/", "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([*as_user, initdb, "-D", data, "-A", "trust", "-U", "test"], **quiet)
    control = [*as_user, str(Path(initdb).with_name("pg_ctl")), "-D", str(data), "-w"]
    options = f"-p {port} -h 127.0.0.1 -k {data}"
    subprocess.run([*control, "-o", options, "-l", str(data / "log"), "start"], **quiet)
    try:
        yield f"postgresql+psycopg2://test@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(data)


class MlflowServer:
    """An `mlflow server` that can be killed and started again on the same store."""

    def __init__(self, store: str, folder: Path) -> None:
        self._store, self._folder, self._port = store, folder, free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [
            sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self._store,
            "--artifacts-destination", str(self._folder / "artifacts"), "--workers", "1",
            "--host", "127.0.0.1", "--port", str(self._port),
        ]  # fmt: skip
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                words,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={
                    **os.environ,
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes more
                },
            )
        end = time.monotonic() + 600
        while not self._answers():
            assert time.monotonic() < end, (self._folder / "server.log").read_text()
            time.sleep(0.5)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def mlflow_server(store: str, folder: Path) -> Iterator[MlflowServer]:
    folder.mkdir(parents=True, exist_ok=True)
    server = MlflowServer(store, folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def object_store(folder: Path) -> Iterator[str]:
    """One that speaks S3 on 127.0.0.1; yields its address. Skips where moto is not installed."""
    pytest.importorskip("moto", reason="moto is not installed: pip install '.[dev]'")
    port = free_port()
    words = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with (
        (folder / "store.log").open("ab") as log,
        subprocess.Popen(words, stdout=log, stderr=log) as server,
    ):
        try:
            end = time.monotonic() + 60
            while not _listens(port):
                assert time.monotonic() < end, (folder / "store.log").read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def late_server() -> Iterator[str]:
    """Accepts every connection and answers 503 ten seconds later; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(connection: socket.socket) -> None:
            with connection:
                time.sleep(LATE_SECONDS)
                connection.sendall(b"HTTP/1.1 503 Late\r\nContent-Length: 0\r\n\r\n")

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=[connection], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
