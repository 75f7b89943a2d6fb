"""A real store, made once, and a repository of the test's own in which everything has trained."""

import shutil
import warnings
from pathlib import Path

import pytest

from tests.tracking.repository import make_repository

with warnings.catch_warnings():  # MLflow's own, on import
    warnings.simplefilter("ignore")
    from captcha_tagger.tracking import store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mlflow.db with its tables, which take two seconds to make."""
    root = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("DVC_ROOT", str(root))
        (root / "dvc.yaml").touch()
        store.connect(create=True)
    return root / "mlflow.db"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("trained") / "repository")


@pytest.fixture
def root(tmp_path: Path, trained: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, a repository with a store that nothing is recorded in."""
    root = tmp_path / "repository"
    shutil.copytree(trained, root)
    shutil.copyfile(empty_store, root / "mlflow.db")
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(root)
    return root
