"""Runs and models that people name: found, compared, registered, the best made the champion.

A run id, a run's name, the start of its key, an alias -> what the store has of it.
"""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from captcha_tagger.base.errors import InputError
from captcha_tagger.compare.differences import compare
from captcha_tagger.compare.side import CURVES, LOCK, NEEDED, Side, read_side
from captcha_tagger.tracking import store as tracking
from captcha_tagger.tracking.lineage import read_lineage

HERE = ("workspace", ".")  # the experiment on disk
LINEAGE_FILES = ("dvc.yaml", "dvc.lock", "params.yaml")
REGISTERED, CHAMPION = "captcha-tagger", "champion"


def load_side(called: str) -> Side:
    """A run as one side of a comparison, from its artifacts: they hold no images."""
    client = tracking.connect()
    run_id = find_experiment(client, called)
    wanted = {LOCK, *NEEDED, *CURVES}
    folders = {str(Path(path).parent) for path in wanted}
    stored = {
        artifact.path
        for folder in folders
        for artifact in client.list_artifacts(run_id, None if folder == "." else folder)
    }
    with TemporaryDirectory() as name:
        folder = Path(name)
        for path in sorted(wanted & stored):
            (folder / path).parent.mkdir(exist_ok=True)
            # Of a file alone, some stores keep the folder and some do not.
            Path(client.download_artifacts(run_id, path, name)).replace(folder / path)
        return read_side(client.get_run(run_id).info.run_name, folder, folder / LOCK)


def find_experiment(client: tracking.Client, name: str) -> str:
    """The id of the one parent run that `name` means; InputError if there is none.

    It is a run's id, name or start of its key; a Git revision or DVC experiment; or `workspace`.
    """
    query = f"tags.`{tracking.ROLE}` = 'experiment'"
    runs = tracking.search_runs(client, tracking.ensure_experiment(client), query)
    keys = {run.info.run_id: run.data.tags[tracking.KEY] for run in runs}
    named = [run.info.run_id for run in runs if name in (run.info.run_id, run.info.run_name)]
    wanted = name
    if not named and (name in HERE or not any(key.startswith(name) for key in keys.values())):
        wanted = read_lineage(Path.cwd()).key("fine_tune") if name in HERE else _key_at(name)
    found = named or [run_id for run_id, key in keys.items() if key.startswith(wanted)]
    if len(found) != 1:
        raise InputError(f"{name}: {len(found)} runs in {client.tracking_uri} are called so")
    return str(found[0])


def _key_at(revision: str) -> str:
    """The key of the experiment that a Git revision or DVC experiment holds."""
    with TemporaryDirectory() as folder:
        for file in LINEAGE_FILES:
            show = ["git", "show", f"{revision}:./{file}"]
            run = subprocess.run(show, capture_output=True, check=False)
            if run.returncode:
                raise InputError(
                    f"{revision}: no run is called so, and no Git revision with {file}"
                )
            (Path(folder) / file).write_bytes(run.stdout)
        return read_lineage(Path(folder)).key("fine_tune")


def find_model(name: str) -> Path:
    """The model folder of a run, an alias (`@champion`, `name@alias`) or an MLflow model address.

    Only weights and their JSON are downloaded: no code of the artifact is run.
    """
    client = tracking.connect()
    try:
        return tracking.download(f"{_locate_model(client, name)}/data/model")
    except tracking.ERRORS as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{name}: no such model in {client.tracking_uri}: {reason}") from None


def register(name: str) -> str:
    """Register the run's model; it becomes the champion when it beats the one there is.

    Returns what happened, in one line.
    """
    client = tracking.connect()
    run_id = find_experiment(client, name)
    number = _register_version(client, run_id)
    this = f"version {number} of {REGISTERED}"
    champion = _find_champion(client)
    if champion is None:
        client.set_registered_model_alias(REGISTERED, CHAMPION, number)
        return f"{this} is the champion: there was none"
    crowned, champion_run = champion
    if crowned == number:
        return f"{this} is the champion already"
    better, why = beats(load_side(run_id), load_side(champion_run))
    if not better:
        return f"{this} is registered; version {crowned} stays the champion: {why}"
    client.set_registered_model_alias(REGISTERED, CHAMPION, number)
    return f"{this} is the champion now, version {crowned} was before: {why}"


def beats(new: Side, old: Side) -> tuple[bool, str]:
    """Whether `new` has more exact sets than `old`, or as many and a higher micro-F1; and why."""
    found = compare(old, new)
    if not found.same_images:
        return False, "the two were scored on different validation images"
    new_scores, old_scores = (
        (float(side.metrics["exact_set"]), float(side.metrics["micro_f1"])) for side in (new, old)
    )
    why = (
        f"exact set {new_scores[0]:.4f} against {old_scores[0]:.4f}, micro-F1 {new_scores[1]:.4f} "
        f"against {old_scores[1]:.4f} (McNemar's exact test: p = {found.p:.3g})"
    )
    return new_scores > old_scores, why


def _locate_model(client: tracking.Client, name: str) -> str:
    if name.startswith(("models:/", "runs:/")):
        return name
    if "@" in name:
        model, _, alias = name.partition("@")
        return f"models:/{model or REGISTERED}@{alias}"
    outputs = client.get_run(find_experiment(client, name)).outputs
    if outputs is None or not outputs.model_outputs:
        raise InputError(f"{name}: this run has no model")
    return f"models:/{outputs.model_outputs[-1].model_id}"


def _register_version(client: tracking.Client, run_id: str) -> str:
    for found in client.search_model_versions(f"name = '{REGISTERED}'"):
        if found.run_id == run_id:
            return str(found.version)
    return tracking.register(_locate_model(client, run_id), REGISTERED)


def _find_champion(client: tracking.Client) -> tuple[str, str] | None:
    """Version and run id of the champion, if there is one."""
    try:
        found = client.get_model_version_by_alias(REGISTERED, CHAMPION)
    except tracking.ERRORS as error:
        if not tracking.is_absence(error):
            raise
        return None
    return str(found.version), str(found.run_id)
