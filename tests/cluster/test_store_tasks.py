"""Images in an object store by the tasks of a cluster, each of which fetches its own."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from captcha_tagger.base.work.session import Session, open_session
from captcha_tagger.commands.predict import tag
from captcha_tagger.ingest import ingest as intake
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.predict import files as answering
from tests.buckets import Buckets
from tests.cluster.rays import NEEDS_RAY
from tests.cluster.test_ingest_tasks import NAMES, assert_equal, ingest
from tests.cluster.test_predict_tasks import fill, use_cluster
from tests.conftest import make_tagger
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


def test_tasks_answer_the_objects_as_one_machine_does(
    buckets: Buckets, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(make_tagger(), tmp_path / "model")
    address = buckets.make(fill(tmp_path / "images"))
    here, there = Path("here.parquet"), Path("there.parquet")
    assert tag([address], "model", as_json=False, out=here) == 1
    use_cluster("local", monkeypatch)
    monkeypatch.setattr(answering, "open_session", lambda _: nullcontext(session))
    assert tag([address], "model", as_json=False, out=there) == 1
    assert there.read_bytes() == here.read_bytes()
