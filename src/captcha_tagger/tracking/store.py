"""The only import of MLflow: makes the store agree with what waits in the outbox.

One parent run an experiment, found by the key in its tags, with a nested run per training phase.
Everything here may run twice, be killed, or meet another process doing the same.
"""

import base64
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow  # its settings are read on import
import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.artifacts import download_artifacts
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.tracking import MlflowClient
from mlflow.types.schema import AnyType, Array, ColSpec, DataType, Map, Schema
from sqlalchemy.exc import SQLAlchemyError

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json
from captcha_tagger.base.places import root_folder, state_folder
from captcha_tagger.predict.predictor import encode
from captcha_tagger.predict.serving import COLUMN
from captcha_tagger.tracking import outbox
from captcha_tagger.tracking.agreement import Logged, changed_scores, contradicts, missing_points

KEY, ROLE, ARTIFACTS = "captcha_tagger.key", "captcha_tagger.role", "captcha_tagger.artifacts"
MODEL = "dvc.fine_tune"  # DVC's hash of the output that holds the model
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
Client = MlflowClient
ERRORS = (MlflowException, SQLAlchemyError, OSError)
METRICS_A_BATCH, OTHERS_A_BATCH = 1000, 100  # MLflow's limits


def is_absence(error: Exception) -> bool:
    """Whether an error says that a model or alias is not there, not that the store fails."""
    absent = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
    return getattr(error, "error_code", None) in absent


def connect() -> MlflowClient:
    """The store of MLFLOW_TRACKING_URI, else SQLite beside the repository's dvc.yaml."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        mlflow.set_tracking_uri(f"sqlite:///{root_folder() / 'mlflow.db'}")
    with _alone():  # two processes that create SQLite's tables at once break both
        return MlflowClient()


def record_all(client: MlflowClient) -> list[str]:
    """Empty the outbox into the store; returns the ids of the parent runs."""
    with _alone():
        done: list[str] = []
        failed: list[Exception] = []
        for entry in outbox.waiting():
            try:
                done.append(push(client, entry))
            except ERRORS as error:  # the others may still be taken
                failed.append(error)
            else:
                shutil.rmtree(entry)
        if failed:
            raise failed[0]
        return done


def push(client: MlflowClient, entry: Path) -> str:
    """Make the store agree with one entry of the outbox; returns the id of the parent run."""
    row = read_json(entry / "row.json")
    experiment = ensure_experiment(client)
    run = _agree(client, experiment, row, role="experiment", parent=None)
    run_id = run.info.run_id
    for phase, content in row["phases"].items():
        _agree(client, experiment, content, role=phase, parent=run_id)
    _log_datasets(client, run, row["datasets"])
    _log_artifacts(client, run, entry / "artifacts")
    if row["model"] is not None:
        _log_model(client, run, row, entry)
    return str(run_id)


def ensure_experiment(client: MlflowClient) -> str:
    """The experiment's id; created with an absolute artifact location where the store is ours."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "captcha-tagger")
    found = client.get_experiment_by_name(name)
    if found is None:
        ours = mlflow.get_tracking_uri().startswith("sqlite:")
        location = (root_folder() / "mlruns").as_uri() if ours else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            found = client.get_experiment_by_name(name)  # another machine was first
    assert found is not None
    if found.lifecycle_stage == "deleted":
        raise InputError(f"{name}: this MLflow experiment is deleted; restore it or name another")
    return str(found.experiment_id)


def find_runs(client: MlflowClient, experiment: str, key: str, role: str) -> list[Run]:
    """The runs of a key, the oldest first."""
    query = f"tags.`{KEY}` = '{key}' and tags.`{ROLE}` = '{role}'"
    found = search_runs(client, experiment, query)
    return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


def search_runs(client: MlflowClient, experiment: str, query: str) -> list[Run]:
    """Every run of the experiment that the query finds; the store gives them by the thousand."""
    page = client.search_runs([experiment], query)
    found = list(page)
    while page.token:
        page = client.search_runs([experiment], query, page_token=page.token)
        found += page
    return found


def _agree(
    client: MlflowClient, experiment: str, row: dict[str, Any], *, role: str, parent: str | None
) -> Run:
    """Find or create the run of this key and bring it to what the row says."""
    run = _find(client, experiment, row["key"], role, parent)
    stored = _stored(client, run, row) if run else []
    if run is not None and contradicts(stored, row):
        # A metric cannot be taken back, and a row that shows two trainings would lie.
        client.delete_run(run.info.run_id)
        run = None
    if run is None:
        run, stored = _create(client, experiment, row, role, parent), []
    known = run.data.tags
    tags = {name: value for name, value in row.get("hints", {}).items()
            if row.get("from_stage") or name not in known}  # fmt: skip
    tags |= row["tags"]
    _log_params(client, run, row["params"])
    _log_tags(client, run, {n: v for n, v in tags.items() if known.get(n) != v})
    now = time.time_ns() // 1_000_000
    points = missing_points(stored, row, run.info.start_time)
    _log_points(client, run, points + changed_scores(run.data.metrics, row, now))
    if row["status"] == "RUNNING":
        client.update_run(run.info.run_id, status="RUNNING")
    else:
        client.set_terminated(run.info.run_id, row["status"])
    return client.get_run(run.info.run_id)


def _find(
    client: MlflowClient, experiment: str, key: str, role: str, parent: str | None
) -> Run | None:
    """The run of this key; of several, made by machines that raced, the oldest stays."""
    found = [
        run
        for run in find_runs(client, experiment, key, role)
        if parent is None or run.data.tags.get("mlflow.parentRunId") == parent
    ]
    for extra in found[1:]:
        client.delete_run(extra.info.run_id)
    return found[0] if found else None


def _create(
    client: MlflowClient, experiment: str, row: dict[str, Any], role: str, parent: str | None
) -> Run:
    tags = {KEY: row["key"], ROLE: role, "mlflow.source.name": "dvc.yaml"}
    if parent is not None:
        tags["mlflow.parentRunId"] = parent
    name = role if parent else row.get("hints", {}).get("dvc.exp_name", row["key"][:8])
    return client.create_run(experiment, tags=tags, run_name=name)


def _stored(client: MlflowClient, run: Run, row: dict[str, Any]) -> list[Logged]:
    """Every value that the run has of the row's curves and samples."""
    names = {name for name, _, _ in [*row["curve"], *row.get("system", [])]}
    return [
        Logged(name, metric.value, metric.timestamp, metric.step)
        for name in sorted(names & run.data.metrics.keys())
        for metric in client.get_metric_history(run.info.run_id, name)
    ]


def _log_points(client: MlflowClient, run: Run, points: list[Logged]) -> None:
    metrics = [Metric(point.name, point.value, point.time, point.step) for point in points]
    for part in _chunks(metrics, METRICS_A_BATCH):
        client.log_batch(run.info.run_id, metrics=part)


def _log_params(client: MlflowClient, run: Run, params: dict[str, str]) -> None:
    new = [Param(n, v) for n, v in params.items() if n not in run.data.params]
    for part in _chunks(new, OTHERS_A_BATCH):
        client.log_batch(run.info.run_id, params=part)


def _log_tags(client: MlflowClient, run: Run, tags: dict[str, str]) -> None:
    for part in _chunks([RunTag(n, v) for n, v in tags.items()], OTHERS_A_BATCH):
        client.log_batch(run.info.run_id, tags=part)


def _chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _log_datasets(client: MlflowClient, run: Run, datasets: list[dict[str, str]]) -> None:
    known = {i.dataset.digest for i in run.inputs.dataset_inputs} if run.inputs else set()
    inputs = [
        DatasetInput(
            Dataset(d["name"], d["digest"], "dvc", json.dumps({"path": d["name"]})),
            [InputTag("mlflow.data.context", d["context"])],
        )
        for d in datasets
        if d["digest"] not in known
    ]
    if inputs:
        client.log_inputs(run.info.run_id, datasets=inputs)


def _log_artifacts(client: MlflowClient, run: Run, folder: Path) -> None:
    digest = outbox.hash_folder(folder)
    if run.data.tags.get(ARTIFACTS) != digest:
        client.log_artifacts(run.info.run_id, str(folder))
        client.set_tag(run.info.run_id, ARTIFACTS, digest)


def _log_model(client: MlflowClient, run: Run, row: dict[str, Any], entry: Path) -> None:
    """Log the model unless the run has it: a pyfunc of our weights and code, no pickles."""
    experiment, run_id = run.info.experiment_id, run.info.run_id
    logged = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    if any(model.tags.get(MODEL) == row["model"] for model in logged):
        return
    mlflow.set_experiment(
        experiment_id=experiment
    )  # a model goes where the process is, not its run
    Model.log(
        artifact_path=None,
        name="model",
        flavor=mlflow.pyfunc,
        run_id=run_id,
        loader_module="captcha_tagger.predict.serving",
        data_path=str(entry / "model"),
        code_paths=[str(entry / "code" / "captcha_tagger")],
        pip_requirements=[f"{name}=={_plain(version(name))}" for name in SERVED_WITH],
        signature=SIGNATURE,
        input_example=_example(entry),
        metadata={**row["hints"], KEY: row["key"], MODEL: row["model"]},
        tags={KEY: row["key"], MODEL: row["model"]},
    )
    for model in logged:
        client.delete_logged_model(model.model_id)


def download(uri: str) -> Path:
    """A model's file or folder, by its MLflow address, as a local path."""
    return Path(download_artifacts(uri))


def register(uri: str, name: str) -> str:
    """Register the model of this address; returns the version's number."""
    return str(mlflow.register_model(uri, name).version)


def _plain(number: str) -> str:
    """A version without its local part, `2.11.0` of `2.11.0+cpu`, as an index knows it."""
    return number.partition("+")[0]


def _example(entry: Path) -> Any:
    """One grey image in the model's shape, as a client would send it."""
    card = read_json(entry / "model" / "model.json")
    grey = np.full((card["height"], card["width"]), 200, np.uint8)
    return pd.DataFrame({COLUMN: [base64.b64encode(encode(grey)).decode()]})


@contextmanager
def _alone() -> Iterator[None]:
    """One recording at a time on this machine: SQLite has one writer, a key one row."""
    path = state_folder() / "record.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
