"""Runs and models that people name: found, compared, registered, the best made the champion.

A run id, a run's name, the start of its key, an alias -> what the store has of it.
"""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from captcha_tagger.base.errors import InputError, hide_password
from captcha_tagger.base.places import root_folder
from captcha_tagger.compare.differences import compare
from captcha_tagger.compare.revisions import WORKSPACE, find_commit
from captcha_tagger.compare.side import CURVES, LOCK, NEEDED, Side, read_side
from captcha_tagger.tracking import store
from captcha_tagger.tracking.git import read_git
from captcha_tagger.tracking.lineage import read_lineage
from captcha_tagger.tracking.row import MODEL

LINEAGE_FILES = ("dvc.yaml", "dvc.lock", "params.yaml")
REGISTERED, CHAMPION = "captcha-tagger", "champion"
RANKED = {"exact_set": "exact set", "text_accuracy": "text accuracy", "micro_f1": "micro-F1"}


@store.answering()
def load_side(called: str) -> Side:
    """A run as one side of a comparison, from its artifacts: they hold no images."""
    client = store.connect()
    return _load(client, find_run(client, called))


@store.answering()
def find_run(client: store.Client, name: str) -> str:
    """The id of the one parent run that `name` means; InputError if there is none.

    It is a run's id, name or start of its key; a Git revision or DVC experiment; or `workspace`.
    """
    experiment = store.find_experiment(client)
    runs = store.search_runs(experiment, {store.ROLE: "experiment"}) if experiment else []
    found = [run for run in runs if name in (run.info.run_id, run.info.run_name)]
    if not found and name not in WORKSPACE:
        found = [run for run in runs if run.data.tags[store.KEY].startswith(name)]
    if not found:
        key, model = _read_folder(root_folder()) if name in WORKSPACE else _read_revision(name)
        found = [run for run in runs if run.data.tags[store.KEY] == key]
        if len(found) > 1:  # repeats with other bits
            found = [run for run in found if run.data.tags.get(MODEL) == model]
    if len(found) != 1:
        where = hide_password(client.tracking_uri)
        raise InputError(f"{name}: {len(found)} runs in {where} are called so")
    return str(found[0].info.run_id)


def find_model(name: str) -> Path:
    """The model folder of a run, an alias (`@champion`, `name@alias`) or an MLflow model address.

    No code of the artifact is run.
    """
    client = store.connect()
    with store.answering():
        folder = store.download(_locate_model(client, name)) / "data" / "model"
    if not folder.is_dir():
        raise InputError(f"{name}: this is no model of captcha-tagger")
    return folder


@store.answering()
def register(name: str) -> str:
    """Register the run's model; it becomes the champion when it beats the one there is.

    Returns what happened, in one line.
    """
    if not name:  # with which every key starts
        raise InputError("an empty name; give workspace, a revision, an experiment or a run")
    client = store.connect()
    run_id = find_run(client, name)
    number = _register_version(client, run_id)
    this = f"version {number} of {REGISTERED}"
    crowned, rival = _find_champion(client)
    if crowned == number:
        return f"{this} is the champion already"
    if rival is not None:
        better, why = beats(_load(client, run_id), _load(client, rival))
    else:
        better, why = True, f"the run of version {crowned} is deleted" if crowned else "the first"
    if not better:
        return f"{this} is registered; version {crowned} stays the champion: {why}"
    client.set_registered_model_alias(REGISTERED, CHAMPION, number)
    return f"{this} is the champion now: {why}"


def beats(new: Side, old: Side) -> tuple[bool, str]:
    """Whether `new` has the higher scores, the first of RANKED that differs deciding; and why.

    A model that reads no texts has none right. The test is of sets where those decide, else of
    texts where both read them.
    """
    as_many_sets = new.metrics.get("exact_set") == old.metrics.get("exact_set")
    found = compare(old, new, judged=None if as_many_sets else "sets")
    if not found.same_images:
        return False, "the two were scored on different validation images"
    names = [name for name in RANKED if name in new.metrics or name in old.metrics]
    new_scores, old_scores = (
        [float(side.metrics.get(name, 0)) for name in names] for side in (new, old)
    )
    scores = ", ".join(
        f"{RANKED[name]} {a:.4f} against {b:.4f}"
        for name, a, b in zip(names, new_scores, old_scores, strict=True)
    )
    test = f"McNemar's exact test on {found.judged}: p = {found.p:.3g}"
    return new_scores > old_scores, f"{scores} ({test})"


def _load(client: store.Client, run_id: str) -> Side:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for path in store.find_artifacts(client, run_id, {LOCK, *NEEDED, *CURVES}):
            (folder / path).parent.mkdir(exist_ok=True)
            # Of a file alone, some stores keep the folder and some do not.
            Path(client.download_artifacts(run_id, path, name)).replace(folder / path)
        return read_side(client.get_run(run_id).info.run_name, folder, folder / LOCK)


def _read_revision(revision: str) -> tuple[str, str | None]:
    """Key and model of the experiment that a Git revision or DVC experiment holds."""
    root = root_folder()
    if (commit := find_commit(root, revision)) is None:
        raise InputError(f"{revision}: no run is called so, and no Git revision or DVC experiment")
    with TemporaryDirectory() as folder:
        for file in LINEAGE_FILES:
            text = read_git(root, "show", f"{commit}:./{file}")
            if text is None:
                raise InputError(f"{revision}: no run is called so, and the revision has no {file}")
            (Path(folder) / file).write_text(text, encoding="utf-8")
        return _read_folder(Path(folder))


def _read_folder(root: Path) -> tuple[str, str | None]:
    lineage = read_lineage(root)
    outs = lineage.entry("fine_tune")["outs"]
    return lineage.key("fine_tune"), outs[0]["md5"] if outs else None


def _locate_model(client: store.Client, name: str) -> str:
    """The address of a model's files, so that nothing deleted or half-made is taken for it."""
    if name.startswith("models:/"):
        return name
    if "@" in name:
        model, _, alias = name.partition("@")
        return f"models:/{model or REGISTERED}@{alias}"
    is_address = name.startswith("runs:/")
    run_id = name.split("/")[1] if is_address else find_run(client, name)
    return str(_find_model(client, run_id).model_uri)


def _find_model(client: store.Client, run_id: str) -> store.Logged:
    found = store.find_model(client, client.get_run(run_id))
    if found is None:
        raise InputError(f"{run_id}: this run has no model in the store; try captcha-tagger record")
    return found


def _register_version(client: store.Client, run_id: str) -> str:
    """The number of the version that is this run's model, a new one if there is none."""
    model = _find_model(client, run_id)
    for found in client.search_model_versions(f"name = '{REGISTERED}'"):
        if found.source == model.model_uri:
            return str(found.version)
    return store.register(model, REGISTERED)


def _find_champion(client: store.Client) -> tuple[str | None, str | None]:
    """Its version and its run's id; None where there is no champion, or its run is deleted."""
    number = None
    with suppress(InputError), store.answering():  # nothing is left of one of them
        found = client.get_model_version_by_alias(REGISTERED, CHAMPION)
        number, run_id = str(found.version), str(found.run_id)
        if client.get_run(run_id).info.lifecycle_stage == "active":
            return number, run_id
    return number, None
