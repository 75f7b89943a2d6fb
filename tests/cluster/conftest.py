"""One Ray session per test module, since starting one takes seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from captcha_tagger.base.work.session import Session, open_session
from captcha_tagger.ingest import ingest as intake
from tests.cluster.rays import two_nodes


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with open_session("local") as opened:
        yield opened


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with two_nodes(monkeypatch) as made:
        yield made


@pytest.fixture
def many_tasks(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ingest uses the session of these tests, even for a few images."""

    @contextmanager
    def lend(_: str) -> Iterator[Session]:
        yield session

    monkeypatch.setattr(intake, "open_session", lend)
    monkeypatch.setattr(intake, "SERIAL_FILES", 0)
    monkeypatch.setattr(intake, "TASK_FILES", 16)
    monkeypatch.setattr(session, "_home", session._home._replace(folder=str(tmp_path)))
