"""Tiny real stand-ins that the tests share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.kills import shrink, time_stages
from captcha_tagger.data.images import LabelledImages
from captcha_tagger.data.labels import index_texts
from captcha_tagger.engine.compute import Machine
from captcha_tagger.network.card import Architecture, ModelCard
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.reproduce.verify import make_clone
from tests import own_params
from tests.buckets import Buckets, point_to
from tests.servers import object_store
from tests.whole import commit_working_tree

VOCABULARY = ["a", "b", "c", "d"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that may take longest come first, so that several workers end together."""
    items.sort(key=_get_timeout, reverse=True)


def _get_timeout(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return marker.args[0] if marker else float(item.config.getini("timeout"))


own_params.watch()


@pytest.fixture(autouse=True)
def _others_leave_the_own_params_alone(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    was_read, own_params.read = own_params.read, []
    is_marked = request.node.get_closest_marker("own_params") is not None
    assert is_marked or not was_read, "reads params.yaml: take tests/params.yaml, or mark it"


@pytest.fixture(autouse=True)
def _state_stays_in_the_test(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


@pytest.fixture
def machine() -> Iterator[Machine]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Machine(torch.device("cpu"), 1, torch.float32, deterministic=True)
    torch.set_num_threads(threads)


def make_card(head: str = "ctc", name: str = "compact", channels: int = 1) -> ModelCard:
    return ModelCard(
        architecture=Architecture(name=name, output_stride=8, dropped_stages=0),
        head=head,  # type: ignore[arg-type]
        channels=channels,  # type: ignore[arg-type]
        height=24,
        width=48,
        vocabulary=VOCABULARY,
        threshold=0.5,
    )


def make_tagger(head: str = "ctc", seed: int = 0) -> Tagger:
    torch.manual_seed(seed)
    return Tagger(make_card(head)).eval()


def make_arrays(num_images: int = 24) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Images in which label k is a bright bar in band k, and the targets that say which."""
    generator = np.random.default_rng(0)
    targets = (generator.random((num_images, len(VOCABULARY))) < 0.4).astype(np.float32)
    pixels = generator.integers(0, 60, (num_images, 1, 24, 48)).astype(np.uint8)
    for image, labels in zip(pixels, targets, strict=True):
        for label in np.flatnonzero(labels):
            image[0, 6 * label : 6 * label + 4, 8:40] = 220
    return pixels, targets


@pytest.fixture
def images() -> LabelledImages:
    pixels, targets = make_arrays()
    return LabelledImages(
        pixels, targets, spell(targets), np.arange(len(pixels)), torch.device("cpu")
    )


def spell(targets: NDArray[np.float32]) -> NDArray[np.int64]:
    """Texts of the targets' labels in order; of `a` alone where there is none."""
    texts = ["".join(np.array(VOCABULARY)[row > 0.5]) or "a" for row in targets]
    return index_texts(texts, VOCABULARY)


@dataclass(frozen=True)
class Finished:
    """A repository in which `dvc repro` has run on tiny params, and how long each stage took."""

    root: Path
    seconds: dict[str, float]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Shared by the slow tests, which work in copies and clones of it."""
    folder = tmp_path_factory.mktemp("finished")
    source = commit_working_tree(folder / "source")
    root = shrink(make_clone(source, folder / "root"))
    return Finished(root, time_stages(root))


@pytest.fixture(scope="session")  # since s3fs connects but once in a process
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buckets]:
    """An object store on this machine, which this process and those that it starts find."""
    pytest.importorskip("dvc_s3", reason="dvc-s3 is not installed: pip install '.[s3]'")
    folder = tmp_path_factory.mktemp("store")
    with object_store(folder) as endpoint, pytest.MonkeyPatch.context() as monkeypatch:
        point_to(endpoint, monkeypatch)
        yield Buckets(endpoint)
