"""A repository to sweep in."""

import os
import sys
from pathlib import Path

import pytest

from tests.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.env["PYTHONPATH"] = os.pathsep.join(["src", *sys.path[1:]])
    return made
