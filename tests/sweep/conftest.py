"""A repository to sweep in, and machines to sweep on."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.rays import two_nodes
from tests.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.env["PYTHONPATH"] = os.pathsep.join(["src", *sys.path[1:]])
    return made


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with two_nodes(monkeypatch) as made:
        yield made
