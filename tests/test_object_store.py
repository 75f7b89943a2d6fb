"""The pipeline on images in an object store, as DVC runs it."""

from pathlib import Path
from typing import Any

import pytest

from captcha_tagger.reproduce.verify import read_lock
from tests.buckets import Buckets
from tests.hostile import pack
from tests.project import Project, make_project

pytestmark = pytest.mark.slow


def ingest(project: Project, source: str) -> Any:
    """What dvc.lock says of the outputs."""
    project.set_params(ingest={"source": source})
    assert project.tagger("check").stderr == ""
    forced = project.dvc("repro", "--force", "--single-item", "ingest")
    assert "Running stage 'ingest'" in forced.stdout
    assert "didn't change, skipping" in project.dvc("repro", "ingest").stdout
    return read_lock(project.root)["ingest"]["outs"]


def test_dvc_reads_a_bucket_and_a_zip_in_it_as_the_folder(buckets: Buckets, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    project.run("git", "add", "-A")
    images = project.root / "images"
    here = ingest(project, "images")
    address = buckets.make({f"deep/{path.name}": path.read_bytes() for path in images.iterdir()})
    entries: Any = {path.name: path.read_bytes() for path in images.iterdir()}
    buckets.put(f"{address}/in.zip", pack(tmp_path / "in.zip", entries).read_bytes())
    assert ingest(project, f"{address}/deep") == here
    assert ingest(project, f"{address}/in.zip") == here
    buckets.put(f"{address}/deep/bad_1.png", b"no image")
    assert ingest(project, f"{address}/deep") != here


def test_a_bucket_that_is_not_there_is_said_before_dvc_runs(
    buckets: Buckets, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", ingest={"source": f"{buckets.make({})}/nowhere"})
    done = project.tagger("check", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("captcha-tagger check: ingest.source: s3://bucket-")
    assert done.stderr.endswith("no such bucket, folder or file; look at the address\n")
