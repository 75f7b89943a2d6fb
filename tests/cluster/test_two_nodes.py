"""Two machines, as two nodes of Ray on this one; one of them goes while tasks run on it."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from captcha_tagger.ingest import ingest as intake
from tests.cluster.rays import NEEDS_RAY
from tests.cluster.tasks import judge_on_a_node
from tests.cluster.test_ingest_tasks import NAMES, assert_equal, ingest
from tests.hostile import fill_folder

pytestmark = [NEEDS_RAY, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_a_node_that_is_lost_costs_nothing(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100,080 images, in about a hundred tasks."""
    source = fill_folder(tmp_path / "in", [f"{name}_{n}" for name in NAMES for n in range(417)])
    here = ingest(source, "here", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/.gitkeep").touch()
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
