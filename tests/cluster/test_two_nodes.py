"""Two machines, as two nodes of Ray on this one; one of them goes while tasks run on it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from captcha_tagger.ingest import ingest as intake
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.predict import files as answering
from tests.cluster.rays import NEEDS_RAY
from tests.cluster.tasks import answer_on_a_node, judge_on_a_node
from tests.cluster.test_ingest_tasks import NAMES, assert_equal, ingest
from tests.cluster.test_predict_tasks import ask, fill, use_cluster
from tests.conftest import make_tagger
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
    assert not remover.is_alive(), "the node went after the last task"
    assert len(list(nodes.iterdir())) == 2, "tasks ran on one node alone"
    assert len(cluster.list_all_nodes()) == 1


def remove_node(cluster: Any, seen: Path) -> None:
    """End the second node without a word, once tasks have run on both."""
    while not seen.exists() or len(list(seen.iterdir())) < 2:
        time.sleep(0.05)
    cluster.remove_node(cluster.other, allow_graceful=False)
