"""Runs and models by every name that is documented, in a real store."""

from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.predict.predictor import Predictor
from captcha_tagger.tracking import registry, store
from captcha_tagger.tracking.recorder import record_workspace
from tests.tracking.repository import PARAMS, lock, write_scores, write_yaml

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


@pytest.fixture
def run_id(root: Path) -> str:
    (found,) = record_workspace()
    return found


def test_a_model_is_found_by_every_documented_name(run_id: str) -> None:
    """`predict --model RUN_ID` and run names always failed: MLflow takes no path in models:/m-."""
    client = store.connect()
    name = client.get_run(run_id).info.run_name
    (model,) = client.search_logged_models([store.find_experiment(client)])
    assert registry.register("workspace").endswith("champion now: the first")
    for word in (
        run_id, name, "workspace", "@champion", "captcha-tagger@champion", model.model_uri,
        "models:/captcha-tagger/1", "models:/captcha-tagger@champion", f"runs:/{run_id}/model",
    ):  # fmt: skip
        assert Predictor(registry.find_model(word)).card.vocabulary, word


@pytest.mark.parametrize(
    "name",
    ["@nobody", "other@champion", "no-run", "models:/m-0", "models:/captcha-tagger/9",
     "models:/x", "runs:/0/model", "0" * 32],
)  # fmt: skip
def test_a_name_that_means_nothing_is_one_line(run_id: str, name: str) -> None:
    with pytest.raises(InputError) as caught:
        registry.find_model(name)
    assert "\n" not in str(caught.value)


def test_a_runs_name_tells_its_data_and_what_differs(run_id: str) -> None:
    """A plain `dvc repro` was called `4c9de822`."""
    run = store.connect().get_run(run_id)
    assert run.info.run_name == f"kaggle {run.data.tags[store.KEY][:8]}"


def train_another(root: Path, **scores: float) -> str:
    write_yaml(root / "params.yaml", {**PARAMS, "fine_tune": {"epochs": 2}})
    write_scores(root, **scores)
    lock(root)
    (found,) = record_workspace()
    return found


@pytest.mark.parametrize(("exact", "is_better"), [(0.9, True), (0.4, False)])
def test_the_better_model_becomes_the_champion(
    run_id: str, root: Path, exact: float, is_better: bool
) -> None:
    registry.register(run_id)
    said = registry.register(train_another(root, exact_set=exact))
    assert said.startswith("version 2 of captcha-tagger is the champion now") is is_better
    assert registry.register(run_id) == registry.register(run_id)
    versions = store.connect().search_model_versions("name = 'captcha-tagger'")
    assert len(versions) == 2


@pytest.mark.parametrize(("texts", "is_better"), [(0.5, True), (0.3, False)])
def test_of_as_many_exact_sets_the_texts_decide(root: Path, texts: float, is_better: bool) -> None:
    """A model that took `ab` for `ba` stayed the champion by its micro-F1."""
    write_scores(root, text_accuracy=0.4, micro_f1=0.6)
    lock(root)
    registry.register(*record_workspace())
    said = registry.register(train_another(root, text_accuracy=texts, micro_f1=0.9 - texts))
    assert said.startswith("version 2 of captcha-tagger is the champion now") is is_better
    assert f"text accuracy {texts:.4f} against 0.4000" in said


def test_a_deleted_champions_run_does_not_break_register(run_id: str, root: Path) -> None:
    registry.register(run_id)
    store.connect().delete_run(run_id)
    said = registry.register(train_another(root, exact_set=0.1))
    assert said.endswith("champion now: the run of version 1 is deleted")


def test_neither_register_nor_predict_takes_a_deleted_model(run_id: str) -> None:
    """They took the last of the run's outputs, deleted or not."""
    client = store.connect()
    (first,) = client.search_logged_models([store.find_experiment(client)])
    client.delete_logged_model(first.model_id)
    for ask in (registry.find_model, registry.register):
        with pytest.raises(InputError, match="no model"):
            ask(run_id)
    record_workspace()
    registry.register(run_id)
    (version,) = client.search_model_versions("name = 'captcha-tagger'")
    assert version.source != first.model_uri


def test_two_runs_of_one_experiment_are_told_apart_by_what_is_on_disk(
    run_id: str, root: Path
) -> None:
    steps = root / "data" / "fine_tune" / "steps.csv"
    steps.write_text(steps.read_text().replace(",0.01", ",0.02"))
    lock(root)
    (repeat,) = record_workspace()
    assert repeat != run_id
    assert registry.find_run(store.connect(), "workspace") == repeat
