"""MLflow's experiment captcha-tagger-quality: one run for each table of benchmarks/quality.py."""

import os
from typing import Any

import mlflow

from captcha_tagger.compare.side import flatten
from captcha_tagger.tracking import store as tracking

EXPERIMENT = "captcha-tagger-quality"
KEY = "captcha_tagger.quality"


def log_table(
    name: str, key: str, params: dict[str, Any], scores: list[dict[str, float]], text: str
) -> None:
    """Log the scores, a step each, and the printed text; nothing when the key is there already."""
    os.environ["MLFLOW_EXPERIMENT_NAME"] = EXPERIMENT
    client = tracking.connect(create=True)
    experiment = tracking.ensure_experiment(client)
    if client.search_runs([experiment], f"tags.`{KEY}` = '{key}'"):
        return
    with mlflow.start_run(experiment_id=experiment, run_name=name, tags={KEY: key}):
        mlflow.log_params(flatten(params))
        for step, values in enumerate(scores):
            mlflow.log_metrics(values, step=step)
        mlflow.log_text(text, f"{name}.md")
