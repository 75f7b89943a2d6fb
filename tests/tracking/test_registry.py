"""Experiments that people name, in a real MLflow store."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.commands.compare import compare_experiments
from captcha_tagger.compare.differences import compare
from captcha_tagger.compare.side import CURVES, LOCK, NEEDED, Side, read_side
from captcha_tagger.tracking.recorder import record_workspace
from captcha_tagger.tracking.row import metric_name
from tests.compare.sides import make_side, write_lock
from tests.repository import ROOT
from tests.runs import write_run
from tests.servers import mlflow_server
from tests.tracking.repository import PARAMS, lock, write_yaml

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own

LABELS = "+=-@'a,"  # what a spreadsheet would run, or a table take apart


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    write_lock(root / LOCK, {"fine_tune": {"epochs": 4}})
    return write_run(root, labels=LABELS)


@pytest.fixture(scope="module")
def store(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The address of a store with one run that has the files of `data` that MLflow gets; its id."""
    from captcha_tagger.tracking import store as tracking

    folder = tmp_path_factory.mktemp("store")
    artifacts = folder / "artifacts"
    for path in (*NEEDED, *CURVES):
        (artifacts / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / path, artifacts / path)
    shutil.copyfile(data.parent / LOCK, artifacts / LOCK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        client = tracking.connect()
        tags = {tracking.ROLE: "experiment", tracking.KEY: "4c9de822" * 4}
        run = client.create_run(tracking.ensure_experiment(client), tags=tags, run_name="longer")
        client.log_artifacts(run.info.run_id, str(artifacts))
    return f"sqlite:///{folder / 'mlflow.db'}", run.info.run_id


@pytest.fixture(autouse=True)
def _connected(store: tuple[str, str], monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store[0])
    monkeypatch.chdir(data.parent)


def load(name: str) -> Side:
    from captcha_tagger.tracking.registry import load_side

    return load_side(name)


def test_a_run_is_the_side_that_the_workspace_is(data: Path, store: tuple[str, str]) -> None:
    here = read_side("workspace", data, data.parent / LOCK)
    for name in (store[1], "longer", "4c9de"):
        run = load(name)
        assert run.name == "longer"
        assert (run.params, run.data, run.metrics) == (here.params, here.data, here.metrics)
        assert (run.f1, run.epochs) == (here.f1, here.epochs)
        assert set(run.f1) == set(LABELS)
        found = compare(here, run)
        assert found.same_images
        assert found.broken == found.mended == []


def test_a_run_and_the_workspace_share_text_and_page(
    store: tuple[str, str], tmp_path: Path
) -> None:
    """`make compare A=<run id>` worked for the text and failed for the page."""
    text = compare_experiments(store[1], "workspace", tmp_path / "compare.html")
    assert text.splitlines()[0].split() == ["longer", "workspace"]
    assert "of the 30 validation images that both have" in text
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 5


def test_a_name_that_nobody_knows_is_one_line_about_both(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        compare_experiments("no-such", "workspace", tmp_path / "compare.html")
    assert str(caught.value).startswith("no-such: no such revision or experiment")
    assert "nor does MLflow have it: no-such: no run is called so" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "compare.html").exists()


def test_a_label_that_mlflow_does_not_allow_is_its_code_point() -> None:
    """Of `+` it was `f1/U-0027_U-002B`, with the table's apostrophe."""
    assert metric_name("f1", "+") == "f1/U-002B"
    assert metric_name("f1", "a") == "f1/a"


@pytest.mark.slow
def test_a_server_is_named_without_its_password(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from captcha_tagger.tracking import registry

    with mlflow_server(f"sqlite:///{tmp_path / 'server.db'}", tmp_path / "server") as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri.replace("://", "://me:secret@"))
        with pytest.raises(InputError, match=r"0 runs in http://me:\*\*\*@127\.0\.0\.1"):
            registry.load_side("workspace")


@pytest.mark.parametrize(
    ("exact", "says"),
    [(0.7, "on sets: p = 0.5)"), (0.2, "on texts: p = 0.25)")],
    ids=["sets decide", "texts decide"],
)
def test_the_test_is_of_what_makes_the_champion(exact: float, says: str) -> None:
    """Of as many sets, texts decided, and the test was on sets: p = 1."""
    from captcha_tagger.tracking.registry import beats

    old = make_side("old", "-" * 2 + "+" * 8, read="-" * 3 + "+" * 7)
    new = make_side("new", "+" * 10, read="+" * 10)
    scores = {"exact_set": exact, "text_accuracy": 1.0}
    better, why = beats(
        replace(new, metrics=new.metrics | scores),
        replace(old, metrics=old.metrics | {"exact_set": 0.2, "text_accuracy": 0.7}),
    )
    assert better
    assert why.endswith(says)


def test_an_empty_name_registers_nothing(root: Path) -> None:
    """It is the start of every key: where there was one run, that was registered."""
    from captcha_tagger.tracking import registry

    record_workspace()
    with pytest.raises(InputError, match="an empty name"):
        registry.register("")


def test_an_experiment_that_shares_its_training_is_found_by_its_own_name(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is named after the first that trained, and Git alone knows no experiment's name."""
    from captcha_tagger.tracking import registry, store

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
    monkeypatch.chdir(root)
    (run_id,) = record_workspace()
    shutil.copyfile(ROOT / ".gitignore", ".gitignore")
    me = ["-c", "user.name=T", "-c", "user.email=t@e"]
    for words in (
        ["git", "init", "-q"],
        [sys.executable, "-m", "dvc", "init", "-q"],
        ["git", "add", "params.yaml", "dvc.yaml", "dvc.lock"],
        ["git", *me, "commit", "-qm", "start"],
    ):
        subprocess.run(words, check=True)
    write_yaml(root / "params.yaml", PARAMS | {"evaluate": {"threshold": 0.2}})
    lock(root)
    words = ["exp", "save", "-q", "--force", "--name", "savvy-apex"]
    subprocess.run([sys.executable, "-m", "dvc", *words], check=True)
    write_yaml(root / "params.yaml", PARAMS | {"fine_tune": {"epochs": 9}})
    lock(root)
    assert "version 1" in registry.register("savvy-apex")
    client = store.connect()
    assert client.get_model_version_by_alias(registry.REGISTERED, "champion").run_id == run_id
    assert (registry.find_model("savvy-apex") / "weights.safetensors").exists()
