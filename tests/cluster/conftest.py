"""One Ray a module, as starting it takes seconds."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from captcha_tagger.base.work import session as sessions
from captcha_tagger.base.work.session import Session, open_session
from captcha_tagger.ingest import ingest as intake
from tests.repository import ROOT


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with open_session("local") as opened:
        yield opened


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head, and one more node; on 127.0.0.1 alone."""
    for name, value in {**sessions.ENVIRONMENT, sessions.TOKEN: sessions._token()}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path[1:]]))  # for the nodes
    ray = sessions._import_ray()
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(ray._private.services, "get_node_ip_address", lambda *_: sessions.LOOPBACK)
    head = {"num_cpus": 1, "node_ip_address": sessions.LOOPBACK, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.other = made.add_node(num_cpus=3, node_ip_address=sessions.LOOPBACK)
    yield made
    made.shutdown()


@pytest.fixture
def many_tasks(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ingest takes the session of these tests, and even a few images there."""

    @contextmanager
    def lend(_: str) -> Iterator[Session]:
        yield session

    monkeypatch.setattr(intake, "open_session", lend)
    monkeypatch.setattr(intake, "SERIAL_FILES", 0)
    monkeypatch.setattr(intake, "TASK_FILES", 16)
    monkeypatch.setattr(session, "_home", session._home._replace(folder=str(tmp_path)))
