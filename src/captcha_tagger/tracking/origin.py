"""Where an experiment comes from: its commit, its DVC experiment and a name that tells."""

import json
import os
from pathlib import Path

from ruamel.yaml import YAML

from captcha_tagger.compare.side import flatten
from captcha_tagger.tracking.git import read_git
from captcha_tagger.tracking.lineage import PARAMS, Lineage
from captcha_tagger.tracking.row import NAME

EXPERIMENT = {"DVC_EXP_NAME": "dvc.exp_name", "DVC_EXP_BASELINE_REV": "dvc.exp_baseline"}
NAMED_PARAMS = 3  # in a run's name
SOURCE = "ingest.source"


def read_origin(lineage: Lineage) -> dict[str, str]:
    """The origin of what a stage is making right now, as tags; without Git there is no commit."""
    tags = {tag: os.environ[name] for name, tag in EXPERIMENT.items() if os.environ.get(name)}
    if commit := read_git(lineage.root, "rev-parse", "HEAD"):
        # Every run rewrites dvc.lock itself; that alone does not make the commit another.
        words = ("status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock")
        is_dirty = bool(read_git(lineage.root, *words))
        tags |= {"mlflow.source.git.commit": commit.strip(), "git.dirty": json.dumps(is_dirty)}
    return {NAME: tags.get("dvc.exp_name") or name_run(lineage), **tags}


def name_run(lineage: Lineage) -> str:
    """`kaggle fine_tune.epochs=6 4c9de822`: the data, what differs from params.yaml at HEAD, key.

    The data is the source's name without its ending; of more than three params the rest is counted.
    """
    params = flatten(lineage.sections(lineage.upstream("fine_tune")))
    text = read_git(lineage.root, "show", f"HEAD:./{PARAMS}")
    shipped = flatten(YAML(typ="safe", pure=True).load(text)) if text else {}
    changed = [f"{n}={v}" for n, v in params.items() if shipped.get(n, v) != v and n != SOURCE]
    rest = [f"+{len(changed) - NAMED_PARAMS}"] if len(changed) > NAMED_PARAMS else []
    data = Path(params.get(SOURCE, "data")).stem
    return " ".join([data, *changed[:NAMED_PARAMS], *rest, lineage.key("fine_tune")[:8]])
