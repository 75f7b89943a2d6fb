"""A repository that was moved or copied: mlflow.db keeps the absolute addresses of its artifacts.

It has to be put right before MLflow, which takes seconds to import, reads them.
"""

import os
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from captcha_tagger.base.places import root_folder

ARTIFACTS = "mlruns"  # beside mlflow.db
LOCATIONS = (  # where artifacts lie, in MLflow's tables
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def artifact_location() -> str:
    """The address of the folder that the artifacts of a store of ours lie in."""
    return (root_folder() / ARTIFACTS).as_uri()


def follow_move() -> None:
    """Let the addresses in mlflow.db follow the repository, and say so.

    A store that the environment names is left alone. Of the addresses, those of a folder `mlruns`
    follow that is gone, or that stands in a repository, of which this one is a copy.
    """
    database, here = root_folder() / "mlflow.db", artifact_location()
    if "MLFLOW_TRACKING_URI" in os.environ or not database.exists():
        return
    # MLflow says what is wrong with a database.
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as tables, tables:
        query = "select artifact_location from experiments where artifact_location like 'file:///%'"
        found = {row[0] for row in tables.execute(query)}
        for there in filter(_is_of_a_repository, found - {here}):
            _replace(tables, there, here)
            print(f"record: the artifacts have moved from {there} to {here}", file=sys.stderr)


def _is_of_a_repository(address: str) -> bool:
    """Whether it names the artifacts of a repository that is gone, or that was copied."""
    folder = Path(url2pathname(urlsplit(address).path))
    is_there = os.path.exists(folder)  # noqa: PTH110, Path.exists raises where it may not look
    is_left = is_there and not (folder.parent / "dvc.yaml").exists()
    return folder.name == ARTIFACTS and not is_left


def _replace(tables: sqlite3.Connection, there: str, here: str) -> None:
    size = len(there) + 1
    for table, column in LOCATIONS:
        begins = f"{column} = ? or substr({column}, 1, ?) = ? || '/'"
        move = f"update {table} set {column} = ? || substr({column}, ?) where {begins}"
        tables.execute(move, [here, size, there, size, there])
