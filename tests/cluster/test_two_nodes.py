"""Two machines, as two nodes of Ray on this one; one of them goes while tasks run on it."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from captcha_tagger.cluster import session as sessions
from captcha_tagger.ingest import ingest as intake
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.predict import files as answering
from tests.cluster.rays import NEEDS_RAY
from tests.cluster.tasks import answer_on_a_node, judge_on_a_node
from tests.cluster.test_ingest_tasks import NAMES, assert_equal, ingest
from tests.cluster.test_predict_tasks import ask, fill, use_cluster
from tests.conftest import make_tagger
from tests.hostile import fill_folder
from tests.repository import ROOT

pytestmark = [NEEDS_RAY, pytest.mark.slow, pytest.mark.timeout(1800)]


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
    made.other = made.add_node(num_cpus=1, node_ip_address=sessions.LOOPBACK)
    yield made
    made.shutdown()


def test_a_node_that_is_lost_costs_nothing(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fill_folder(tmp_path / "in", [f"{name}_{n}" for name in NAMES for n in range(4)])
    here = ingest(source, "here", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/.gitkeep").touch()
    monkeypatch.setattr(intake, "SERIAL_FILES", 0)
    monkeypatch.setattr(intake, "TASK_FILES", 8)
    monkeypatch.setattr(intake, "judge_batch", judge_on_a_node)
    with losing_a_node(cluster):
        there = ingest(source, "there", cluster.address)
    assert_equal(here, there)


def test_answers_miss_nothing_when_a_node_is_lost(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(make_tagger(), tmp_path / "model")
    images = fill(tmp_path / "images", 40)
    here = ask(images, "here.parquet")
    use_cluster(cluster.address, monkeypatch)
    monkeypatch.setattr(answering, "answer_batches", answer_on_a_node)
    with losing_a_node(cluster):
        there = ask(images, "there.parquet")
    assert here.read_bytes() == there.read_bytes()


@contextmanager
def losing_a_node(cluster: Any) -> Iterator[None]:
    """End the second node while tasks of the block run on both, as the folder `nodes` says."""
    nodes = Path("nodes").absolute()
    remover = threading.Thread(target=remove_node, args=(cluster, nodes), daemon=True)
    remover.start()
    yield
    remover.join()
    assert len(list(nodes.iterdir())) == 2, "tasks ran on one node alone"
    assert len(cluster.list_all_nodes()) == 1


def remove_node(cluster: Any, seen: Path) -> None:
    """End the second node without a word, once tasks have run on both."""
    while not seen.exists() or len(list(seen.iterdir())) < 2:
        time.sleep(0.05)
    cluster.remove_node(cluster.other, allow_graceful=False)
