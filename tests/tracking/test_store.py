"""Rows into a real SQLite store, and what it shows of them."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.tracking import outbox, store
from captcha_tagger.tracking.recorder import record_workspace
from captcha_tagger.tracking.row import RunRow
from tests.repository import ROOT
from tests.tracking.repository import make_row

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


@pytest.fixture
def client(root: Path) -> store.Client:
    return store.connect(create=True)


def record(client: store.Client, row: RunRow, seen: int = 1) -> Any:
    """Record one row; returns its run."""
    outbox.put(row, seen)
    (run_id,) = store.record_all(client)
    return client.get_run(run_id)


def read_runs(client: store.Client, **tags: str) -> list[Any]:
    experiment = store.find_experiment(client)
    assert experiment is not None
    return store.search_runs(experiment, tags)


def test_a_run_lasts_as_long_as_its_training_took(client: store.Client) -> None:
    """MLflow's column Duration said 55 ms for a run of six minutes."""
    run = record(client, make_row())
    (phase,) = read_runs(client, **{store.PARENT: run.info.run_id})
    for info in (run.info, phase.info):
        assert (info.start_time, info.end_time) == (1_000_000, 1_090_000)
    assert run.data.metrics["wall_seconds"] == 90


def test_the_same_row_again_changes_nothing(client: store.Client) -> None:
    first, again = record(client, make_row()), record(client, make_row())
    assert (again.info.run_id, again.data.tags) == (first.info.run_id, first.data.tags)
    history = client.get_metric_history(first.info.run_id, "step/loss")
    assert [(point.step, point.value) for point in history] == [(0, 3.0), (1, 2.0)]


def test_a_repeat_with_other_values_is_a_second_run_that_says_so(client: store.Client) -> None:
    """It used to delete the first, and leave the nested runs of that."""
    first = record(client, make_row())
    other = make_row(curve=[("step/loss", 0, 3.0), ("step/loss", 1, 2.5)])
    second = record(client, other)
    assert second.data.tags[store.REPEAT] == first.info.run_id
    assert second.info.run_name != first.info.run_name
    assert len(read_runs(client)) == 4
    assert record(client, other).info.run_id == second.info.run_id
    assert record(client, make_row()).info.run_id == first.info.run_id


def test_a_repeat_that_has_shown_nothing_new_leaves_a_finished_run_alone(
    client: store.Client,
) -> None:
    (run_id,) = record_workspace()
    done = client.get_run(run_id)
    live = make_row(key=done.data.tags[store.KEY], status="RUNNING", curve=[])
    assert record(client, live).info.run_id == run_id
    assert client.get_run(run_id).info.status == "FINISHED"


@pytest.mark.parametrize("status", ["FAILED", "KILLED", "RUNNING"])
def test_a_training_shows_how_it_ended_and_a_resumed_one_finishes(
    client: store.Client, status: str
) -> None:
    begun = record(client, make_row(status=status))
    assert begun.info.status == status
    longer = [*make_row().curve, ("step/loss", 2, 1.0)]
    resumed = record(client, make_row(curve=longer))
    assert (resumed.info.run_id, resumed.info.status) == (begun.info.run_id, "FINISHED")


def test_many_points_and_params_go_in_batches(client: store.Client) -> None:
    curve = [("step/loss", step, 1 / (step + 1)) for step in range(1801)]
    params = {f"p{number}": str(number) for number in range(201)}
    run = record(client, make_row(curve=curve, params=params))
    assert run.data.params == params
    history = client.get_metric_history(run.info.run_id, "step/loss")
    assert sorted((point.step, point.value) for point in history) == [c[1:] for c in curve]


def read_model(client: store.Client) -> Any:
    (run,) = read_runs(client, **{store.ROLE: "experiment"})
    return store.find_model(client, run)


def test_everything_on_disk_is_recorded_and_the_model_with_its_files(client: store.Client) -> None:
    (run_id,) = record_workspace()
    run = client.get_run(run_id)
    assert run.data.params["compute.device"] == "cpu"
    assert "compute.save_every_seconds" not in run.data.params
    assert run.data.metrics["exact_set"] == 0.5
    assert {one.path for one in client.list_artifacts(run_id)} >= {"dvc.lock", "evaluate"}
    assert read_model(client) is not None
    assert not list(outbox.outbox().iterdir())
    assert record_workspace() == [run_id]


def test_a_model_is_recorded_with_signature_and_example_and_without_torch(root: Path) -> None:
    """MLflow loaded each model that it logged, to ask it the example: 500 MB beside a training."""
    record = "import sys; from captcha_tagger.tracking import recorder as r; r.record_workspace()"
    show_torch = "; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", record + show_torch], env=environment, check=True)
    files = store.download(read_model(store.connect()).model_uri)
    logged = store.Model.load(files)
    assert logged.signature == store.SIGNATURE
    assert list(logged.load_input_example(files).columns) == [store.COLUMN]
    assert logged.get_serving_input(str(files))


@pytest.mark.parametrize("damage", ["FAILED", "no files", "deleted"])
def test_a_model_that_is_not_ready_or_not_there_is_logged_anew(
    client: store.Client, root: Path, damage: str
) -> None:
    """After one failed upload the half-made model was taken for the real one, for ever."""
    record_workspace()
    first = read_model(client).model_id
    if damage == "FAILED":
        client.finalize_logged_model(first, "FAILED")
    elif damage == "no files":
        shutil.rmtree(next((root / "mlruns").glob(f"models/{first}/artifacts/data")))
    else:
        client.delete_logged_model(first)
    assert read_model(client) is None
    (run_id,) = record_workspace()
    assert read_model(client).model_id != first
    models = client.search_logged_models([store.find_experiment(client)])
    assert [model.source_run_id for model in models] == [run_id]


def test_nothing_leaves_the_outbox_before_the_store_has_its_files(
    client: store.Client, root: Path
) -> None:
    (root / "mlruns").write_text("no folder can be made here")
    with pytest.raises(store.StoreError, match="mlruns"):
        record_workspace()
    assert len(list(outbox.outbox().iterdir())) == 1
    (root / "mlruns").unlink()
    record_workspace()
    assert read_model(client) is not None
    assert not list(outbox.outbox().iterdir())


def test_what_the_store_took_and_lost_stays_in_the_outbox(
    client: store.Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as losing:
        losing.setattr(store.Client, "log_artifacts", lambda *_: None)
        with pytest.raises(store.StoreError, match="does not show what was written"):
            record_workspace()
    assert len(list(outbox.outbox().iterdir())) == 1
    (run_id,) = store.record_all(client)
    assert client.list_artifacts(run_id, "evaluate")
    assert not list(outbox.outbox().iterdir())


def test_artifacts_that_were_lost_are_logged_again(client: store.Client, root: Path) -> None:
    (run_id,) = record_workspace()
    shutil.rmtree(root / "mlruns" / run_id / "artifacts" / "evaluate")
    record_workspace()
    assert client.list_artifacts(run_id, "evaluate")


def test_the_store_follows_a_moved_repository(client: store.Client, root: Path) -> None:
    """mlflow.db kept the old path: predict, compare and register failed or wrote there."""
    record_workspace()
    moved = root.rename(root.with_name("moved % and ?"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    environment.pop("MLFLOW_TRACKING_URI")  # set by MLflow itself

    def run_record() -> str:
        """In a process of its own, since MLflow remembers where things lay."""
        words = [sys.executable, "-m", "captcha_tagger.commands.cli", "record"]
        run = subprocess.run(
            words, cwd=moved, env=environment, capture_output=True, text=True, check=True
        )
        return run.stderr

    assert "have moved from" in run_record()
    assert "have moved from" not in run_record()
    assert not root.exists()
    with sqlite3.connect(moved / "mlflow.db") as tables:
        found = tables.execute("select artifact_location from logged_models").fetchall()
    assert [Path(unquote(one[0]).removeprefix("file://")).is_dir() for one in found] == [True]


@pytest.mark.parametrize("name", ["what?", "100%41", "a b#c"])
def test_any_path_of_a_repository_will_do(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `?` the database came into a sibling file, with `%41` the store never opened."""
    odd = root.rename(root.with_name(name))
    monkeypatch.chdir(odd)
    (run_id,) = record_workspace()
    assert read_model(store.connect()).source_run_id == run_id
    assert sorted(path.name for path in odd.parent.iterdir()) == [name]


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:"])
def test_a_store_that_keeps_nothing_is_refused(
    root: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(InputError, match="keeps nothing"):
        record_workspace()


@pytest.mark.parametrize(
    "address",
    [
        "mysql://me:secret@127.0.0.1:9/db",
        "postgresql://me:se/c@ret@127.0.0.1:9/db",
        "no://m:secret@x",
    ],
)
def test_an_error_of_the_store_is_one_line_without_the_password(
    root: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing driver was a traceback that showed it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises((store.StoreError, InputError)) as caught:
        store.connect()
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "c@ret" not in str(caught.value)


def test_a_damaged_database_is_one_line(root: Path) -> None:
    (root / "mlflow.db").write_text("no database")
    with pytest.raises(store.StoreError):
        store.connect()


def test_a_lock_that_another_holds_delays_nobody_who_only_reads(
    client: store.Client, root: Path
) -> None:
    """`predict --model @champion` waited over 100 s behind a record to a stalled server."""
    hold = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX)"
    hold += "; print(flush=True); time.sleep(600)"
    record_workspace()
    locks = [root / ".state" / name for name in ("record.lock", "connect.lock")]
    holders = [
        subprocess.Popen([sys.executable, "-c", hold, lock], stdout=subprocess.PIPE, env=os.environ)
        for lock in locks
    ]
    try:
        for holder in holders:
            assert holder.stdout is not None
            holder.stdout.readline()
        assert read_model(store.connect()) is not None
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()


def test_a_repository_in_a_folder_called_model_is_recorded_with_its_pages(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in `model` or `samples` is left out: that counted for the folders above, too."""
    monkeypatch.chdir(root.rename(root.with_name("model")))
    (run_id,) = record_workspace()
    assert store.connect().list_artifacts(run_id, "evaluate")
