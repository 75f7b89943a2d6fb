"""Two machines, as two nodes of Ray on this one; one of them goes while tasks run on it."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captcha_tagger.cluster import session as sessions
from captcha_tagger.ingest import ingest as intake
from tests.cluster.rays import NEEDS_RAY
from tests.cluster.tasks import judge_on_a_node
from tests.cluster.test_ingest_tasks import NAMES, assert_equal, ingest
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
    remover = threading.Thread(target=remove_node, args=(cluster, tmp_path / "nodes"), daemon=True)
    remover.start()
    there = ingest(source, "there", cluster.address)
    remover.join()
    assert len(list((tmp_path / "nodes").iterdir())) == 2, "tasks ran on one node alone"
    assert len(cluster.list_all_nodes()) == 1
    assert_equal(here, there)


def remove_node(cluster: Any, seen: Path) -> None:
    """End the second node without a word, once tasks have run on both."""
    while not seen.exists() or len(list(seen.iterdir())) < 2:
        time.sleep(0.05)
    cluster.remove_node(cluster.other, allow_graceful=False)
