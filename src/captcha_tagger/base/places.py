"""Where things live that outlast a run without being outputs: `.state/` of the DVC root.

`dvc exp run --temp` and `--queue` work in copies that are thrown away; DVC_ROOT still names the
repository itself.
"""

import hashlib
import os
from pathlib import Path

from captcha_tagger.base.errors import InputError


def root_folder() -> Path:
    """The repository, also from a subfolder of it or from inside one of DVC's temporary copies."""
    if root := os.environ.get("DVC_ROOT"):
        return Path(root).resolve()
    here = Path.cwd()
    return next((f for f in (here, *here.parents) if (f / "dvc.yaml").is_file()), here)


def state_folder() -> Path:
    return root_folder() / ".state"


def source_folder() -> Path:
    """Where a process that outlives this one finds the package: a temporary copy goes away."""
    lasting = root_folder() / "src"
    return lasting if (lasting / "captcha_tagger").is_dir() else Path(__file__).resolve().parents[2]


def store_address(*, create: bool = False) -> str:
    """The URI of MLflow's store: MLFLOW_TRACKING_URI, else mlflow.db beside dvc.yaml.

    InputError where there is no repository or, unless it may be created, nothing is recorded yet.
    """
    from sqlalchemy import URL  # a quarter of a second that no stage needs

    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        if uri.rstrip("/") == "sqlite:" or ":memory:" in uri:
            raise InputError(f"MLFLOW_TRACKING_URI: {uri} keeps nothing; try sqlite:///mlflow.db")
        return uri
    root = root_folder()
    if not (root / "dvc.yaml").is_file():
        raise InputError(f"{root}: no repository here, as there is no dvc.yaml; go to yours")
    if not create and not (root / "mlflow.db").exists():
        raise InputError(f"{root}/mlflow.db: nothing is recorded yet; run dvc repro")
    # SQLAlchemy knows how to write a path with `?` or `%`.
    database = URL.create("sqlite", database=str(root / "mlflow.db"))
    return database.render_as_string(hide_password=False)


def digest_store() -> str:
    """What tells the store and experiment of this environment from others: no address, as these
    hold passwords."""
    address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root_folder()}/mlflow.db"
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", "")
    return hashlib.sha256(f"{address}\n{experiment}".encode()).hexdigest()[:16]
