"""The only import of MLflow: makes the store agree with what waits in the outbox.

One parent run an experiment, found by the key in its tags, with a nested run per training phase; a
repeat that shows other values is a run of its own. Everything here may run twice, be killed, or
meet another process doing the same: it looks, and writes what the store lacks.
"""

import base64
import json
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow  # its settings are read on import
import mlflow.pyfunc
import numpy as np
import pandas as pd
from alembic.util.exc import CommandError
from mlflow import entities
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import AnyType, Array, ColSpec, DataType, Map, Schema
from sqlalchemy.exc import SQLAlchemyError

from captcha_tagger.base.errors import InputError, hide_password
from captcha_tagger.base.files import lock_file, read_json
from captcha_tagger.base.places import state_folder, store_address
from captcha_tagger.predict.arrays import COLUMN, encode
from captcha_tagger.tracking import outbox
from captcha_tagger.tracking.moves import artifact_location, follow_move
from captcha_tagger.tracking.row import MODEL, NAME, RunRow

KEY, ROLE = "captcha_tagger.key", "captcha_tagger.role"
REPEAT, PARENT = "repeat_of", "mlflow.parentRunId"
SERVED = "data/model"  # where a logged model keeps what was logged
SERVED_FILES = {"MLmodel", f"{SERVED}/model.json", f"{SERVED}/weights.safetensors"}
SERVED_WITH = (
    "mlflow", "numpy", "pillow", "pydantic", "ruamel.yaml", "safetensors", "torch", "torchvision",
)  # fmt: skip
IMAGE = AnyType()  # type: ignore[no-untyped-call]  # bytes, base64 of them, or an array
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(IMAGE, COLUMN)]),
    outputs=Schema(
        [
            ColSpec(Array(DataType.string), "labels"),
            ColSpec(Map(DataType.double), "probs"),
            ColSpec(DataType.double, "threshold"),
            ColSpec(DataType.string, "text", required=False),  # of models that read
            ColSpec(DataType.double, "confidence", required=False),
            ColSpec(Array(Array(DataType.long)), "spans", required=False),
        ]
    ),
)
ERRORS = (MlflowException, SQLAlchemyError, CommandError, ImportError, OSError)
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
LOCK_SECONDS = 300.0
LONGEST = 6000  # value of a param or tag in MLflow

Client: TypeAlias = mlflow.MlflowClient
Logged: TypeAlias = entities.LoggedModel
Lacking: TypeAlias = tuple[list[entities.Metric], list[entities.Param], list[entities.RunTag]]


class StoreError(OSError):
    """The store does not answer, or not as it should: one line, without a password."""


class _Unloaded:
    """MLflow's flavour pyfunc, with the switch that spares loading what is logged, and torch.

    MLflow would ask the model its example: 500 MB and 2 s, beside a training maybe.
    """

    @staticmethod
    def save_model(*, validate_serving_input: bool, **words: Any) -> None:
        mlflow.pyfunc.save_model(**words)


@contextmanager
def answering() -> Iterator[None]:
    """Let whatever MLflow and what is below it raise be a StoreError, or InputError for absence."""
    try:
        yield
    except StoreError:
        raise
    except ERRORS as error:
        reason = hide_password(str(error).split("\n")[0])
        if getattr(error, "error_code", None) in ABSENT:
            raise InputError(f"not in the MLflow store: {reason}") from None
        raise StoreError(f"the MLflow store does not answer: {reason}") from None


@answering()
def connect(*, create: bool = False) -> Client:
    """A client of the store; InputError where there is none, unless it may be created."""
    address = store_address(create=create)
    follow_move()
    mlflow.set_tracking_uri(address)
    # Two processes that create SQLite's tables at once break both.
    with lock_file(state_folder() / "connect.lock", LOCK_SECONDS) if create else nullcontext():
        client = Client()
    with suppress(OSError):  # MLflow makes the folder of a quoted path, too
        Path(address.removeprefix("sqlite:///")).parent.rmdir()
    return client


def record_all(client: Client, meant_for: str | None = None) -> list[str]:
    """Empty the outbox into the store; returns the ids of the parent runs.

    Of what waits, take all, or only what is meant for the store of this digest.
    """
    done: list[str] = []
    failed: list[StoreError] = []
    with lock_file(state_folder() / "record.lock", LOCK_SECONDS):  # SQLite has one writer
        for entry, row in outbox.waiting(meant_for):
            try:
                done.append(push(client, entry, row))
                shutil.rmtree(entry)
            except StoreError as error:  # the others may still be taken
                failed.append(error)
    if failed:
        raise failed[0]
    return done


@answering()
def push(client: Client, entry: Path, row: RunRow) -> str:
    """Make the store show all of an entry, and see that it does; returns the parent run's id."""
    experiment = ensure_experiment(client)
    parent = _find_or_create(client, experiment, row, {ROLE: "experiment"})
    run_id = str(parent.info.run_id)
    if row.model is None and MODEL in parent.data.tags:
        return run_id  # a repeat that has shown nothing new so far
    _fill(client, parent, row)
    runs = {run_id: row}
    for role, phase in row.phases.items():
        nested = _find_or_create(client, experiment, phase, {ROLE: role, PARENT: run_id})
        _fill(client, nested, phase)
        runs[nested.info.run_id] = phase
    _log_datasets(client, run_id, row)
    if (entry / "artifacts").exists():
        client.log_artifacts(run_id, str(entry / "artifacts"))
    _log_model(client, run_id, row, entry)
    if row.status == "RUNNING":
        return run_id  # more follows soon
    lacking = [_find_lacking(client, client.get_run(one), of) for one, of in runs.items()]
    if any(map(any, lacking)) or not _has_files(client, run_id, row, entry):
        raise StoreError(f"{run_id}: the MLflow store does not show what was written to it")
    return run_id


def find_experiment(client: Client) -> str | None:
    """The id of the experiment that rows go to; None when there is none yet."""
    found = client.get_experiment_by_name(_experiment_name())
    if found is not None and found.lifecycle_stage == "deleted":
        raise InputError(f"{found.name}: this MLflow experiment is deleted; restore it")
    return None if found is None else str(found.experiment_id)


def ensure_experiment(client: Client) -> str:
    """Its id; created with an absolute artifact location where the store is a file of ours."""
    ours = mlflow.get_tracking_uri().startswith("sqlite:")
    location = artifact_location() if ours else None
    if find_experiment(client) is None:
        with suppress(MlflowException):  # another machine may be first
            client.create_experiment(_experiment_name(), artifact_location=location)
    return str(mlflow.set_experiment(_experiment_name()).experiment_id)


def search_runs(experiment: str, tags: dict[str, str]) -> list[entities.Run]:
    """Every run with these tags, the oldest first."""
    query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    found = mlflow.search_runs([experiment], query, output_format="list")
    return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


def find_model(client: Client, run: entities.Run) -> Logged | None:
    """The model of a run: not deleted, of the hash that the run names, ready, with its files."""
    ready, wanted = entities.LoggedModelStatus.READY, run.data.tags.get(MODEL)
    for model in _search_models(client, run):
        if model.status == ready and model.tags.get(MODEL) == wanted:
            both = [client.list_logged_model_artifacts(model.model_id, at) for at in (None, SERVED)]
            if {file.path for files in both for file in files if file.file_size} >= SERVED_FILES:
                return model
    return None


def find_artifacts(client: Client, run_id: str, wanted: Collection[str]) -> dict[str, int]:
    """The sizes of those of the wanted paths that are files of the run."""
    folders = {path.rpartition("/")[0] or None for path in wanted}
    found = [file for folder in folders for file in client.list_artifacts(run_id, folder)]
    return {file.path: file.file_size or 0 for file in found if file.path in wanted}


def download(uri: str) -> Path:
    """The files of a run or model, by their MLflow address, in a local folder."""
    return Path(mlflow.artifacts.download_artifacts(uri))


def register(model: Logged, name: str) -> str:
    """Register a model under the name; returns the version's number."""
    return str(mlflow.register_model(model.model_uri, name).version)


def _experiment_name() -> str:
    return os.environ.get("MLFLOW_EXPERIMENT_NAME", "captcha-tagger")


def _find_or_create(
    client: Client, experiment: str, row: RunRow, tags: dict[str, str]
) -> entities.Run:
    """The oldest run of the row's key that shows no other values than the row, or a new one."""
    tags = {KEY: row.key, **tags}
    same = search_runs(experiment, tags)
    for run in same:
        if not row.contradicts(_stored(client, run, row)):
            return run
    name = row.tags.get(NAME, tags[ROLE])
    repeat = {REPEAT: same[0].info.run_id, NAME: f"{name} repeat {len(same)}"} if same else {}
    more = {NAME: name, **repeat, "mlflow.source.name": "dvc.yaml"}
    made = client.create_run(experiment, row.start or _now(), {**tags, **more})
    known = {run.info.run_id for run in same}
    new = [r for r in search_runs(experiment, tags) if r.info.run_id not in known]
    if new[0].info.run_id != made.info.run_id:
        client.delete_run(made.info.run_id)  # still empty: another machine was first
    return new[0]


def _stored(client: Client, run: entities.Run, row: RunRow) -> dict[tuple[str, int], float]:
    """Every value that the run has of the row's curves, by name and step."""
    names = {name for name, _, _ in row.curve + row.system} & run.data.metrics.keys()
    histories = [client.get_metric_history(run.info.run_id, name) for name in sorted(names)]
    return {(point.key, point.step): point.value for points in histories for point in points}


def _find_lacking(client: Client, run: entities.Run, row: RunRow) -> Lacking:
    """The metrics, params and tags of the row that the run does not show."""
    start, known, stored = run.info.start_time, run.data, _stored(client, run, row)
    # A point's time follows from the run, so that it is the same whoever writes it.
    points = [
        entities.Metric(name, value, start + step, step)
        for name, step, value in row.curve + row.system
        if (name, step) not in stored
    ]
    metrics = row.metrics.items() - known.metrics.items()
    params = {n: v[:LONGEST] for n, v in row.params.items() if n not in known.params}
    tags = {n: v[:LONGEST] for n, v in row.tags.items() if n != NAME}
    return (
        points + [entities.Metric(name, value, _now(), 0) for name, value in metrics],
        [entities.Param(*param) for param in params.items()],
        [entities.RunTag(*tag) for tag in tags.items() - known.tags.items()],
    )


def _fill(client: Client, run: entities.Run, row: RunRow) -> None:
    """Write what the run lacks of the row."""
    run_id, start = run.info.run_id, run.info.start_time
    metrics, params, tags = _find_lacking(client, run, row)
    while metrics or params or tags:  # MLflow takes a thousand at once, 100 of these two
        client.log_batch(run_id, metrics[:800], params[:100], tags[:100])
        metrics, params, tags = metrics[800:], params[100:], tags[100:]
    if row.status == "RUNNING":
        client.update_run(run_id, row.status)
        return
    # A run lasts as long as its training took.
    seconds = row.metrics.get("wall_seconds", run.data.metrics.get("wall_seconds", 0.0))
    client.set_terminated(run_id, row.status, start + round(1000 * seconds))


def _has_files(client: Client, run_id: str, row: RunRow, entry: Path) -> bool:
    """Whether the run shows the files of the entry, and its model where it has one."""
    artifacts = entry / "artifacts"
    files = [path for path in artifacts.rglob("*") if path.is_file()]
    wanted = {path.relative_to(artifacts).as_posix(): path.stat().st_size for path in files}
    has_model = row.model is None or find_model(client, client.get_run(run_id)) is not None
    return has_model and find_artifacts(client, run_id, wanted) == wanted


def _log_datasets(client: Client, run_id: str, row: RunRow) -> None:
    """Say which data the training saw; MLflow keeps one of each."""
    inputs = []
    for stage, tag in (("ingest", "dvc.ingest"), ("split", "dvc.split")):
        if tag in row.tags:
            source = json.dumps({"path": f"data/{stage}"})
            dataset = entities.Dataset(f"data/{stage}", row.tags[tag], "dvc", source)
            context = entities.InputTag("mlflow.data.context", stage)
            inputs.append(entities.DatasetInput(dataset, [context]))
    client.log_inputs(run_id, datasets=inputs)


def _log_model(client: Client, run_id: str, row: RunRow, entry: Path) -> None:
    """Log the model unless the run has it: a pyfunc of our weights and code, no pickles."""
    run = client.get_run(run_id)
    if row.model is None or find_model(client, run) is not None:
        return
    ready, found = entities.LoggedModelStatus.READY, _search_models(client, run)
    half_made = [m for m in found if m.status != ready or m.tags.get(MODEL) == row.model]
    Model.log(
        artifact_path=None,
        name="model",
        flavor=_Unloaded,
        validate_serving_input=False,
        run_id=run_id,
        loader_module="captcha_tagger.predict.serving",
        data_path=str(entry / "model"),
        code_paths=[str(entry / "code" / "captcha_tagger")],
        # A version without its local part, `2.11.0` of `2.11.0+cpu`, as an index knows it.
        pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in SERVED_WITH],
        signature=SIGNATURE,
        input_example=_example(entry),
        metadata={KEY: row.key, MODEL: row.model},
        tags={KEY: row.key, MODEL: row.model},
    )
    for model in half_made:
        client.delete_logged_model(model.model_id)


def _example(entry: Path) -> pd.DataFrame:
    """One grey image in the model's shape, as a client would send it."""
    card = read_json(entry / "model" / "model.json")
    grey = np.full((card["height"], card["width"]), 200, np.uint8)
    return pd.DataFrame({COLUMN: [base64.b64encode(encode(grey)).decode()]})


def _search_models(client: Client, run: entities.Run) -> list[Logged]:
    """The logged models of a run that are not deleted, the newest first."""
    query = f"source_run_id = '{run.info.run_id}'"
    return list(client.search_logged_models([run.info.experiment_id], query))


def _now() -> int:
    return time.time_ns() // 1_000_000  # ms, as MLflow counts
