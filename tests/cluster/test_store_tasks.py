"""Ingest from an object store by the tasks of a cluster, each of which fetches its own images."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from captcha_tagger.base.work.session import Session, open_session
from captcha_tagger.ingest import ingest as intake
from tests.buckets import Buckets
from tests.cluster.rays import NEEDS_RAY
from tests.cluster.test_ingest_tasks import NAMES, assert_equal, ingest
from tests.hostile import fill_folder, pack
from tests.stages.test_ingest import PARAMS

pytestmark = [NEEDS_RAY, pytest.mark.slow, pytest.mark.usefixtures("many_tasks")]


@pytest.fixture(scope="module")
def session(buckets: Buckets) -> Iterator[Session]:
    """Its processes know the store, which stands in the environment."""
    with open_session("local") as opened:
        yield opened


@pytest.mark.parametrize("is_zip", [False, True])
def test_tasks_give_the_bytes_of_the_local_folder(
    buckets: Buckets, tmp_path: Path, is_zip: bool
) -> None:
    source = fill_folder(tmp_path / "in", NAMES)
    (source / "bad.png").write_bytes(b"bad")
    address = buckets.make(source)
    if is_zip:
        entries = {path.name: path.read_bytes() for path in source.iterdir()}
        buckets.put(f"{address}/in.zip", pack(tmp_path / "in.zip", entries).read_bytes())
        address += "/in.zip"
    here = ingest(source, "here", None)
    there = tmp_path / "there"
    there.mkdir()
    intake.ingest(address, PARAMS, there, "local")
    assert_equal(here, there)
