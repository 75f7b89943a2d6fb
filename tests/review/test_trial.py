from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from captcha_tagger.base.files import read_json, write_json
from captcha_tagger.base.places import state_folder
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.engine.compute import Machine
from captcha_tagger.review import trial
from tests.review.conftest import RECIPE


@pytest.fixture
def parted(data: Dataset) -> Dataset:
    return replace(data, train=np.arange(16), validation=np.arange(16, 24))


def test_a_finished_trial_is_remembered(
    parted: Dataset, backbone: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trial.answer(parted, backbone, RECIPE, machine)
    monkeypatch.delattr(trial, "train")
    again = trial.answer(parted, backbone, RECIPE, machine)
    assert np.array_equal(again.logits, first.logits)
    assert again.read.tolist() == first.read.tolist()
    assert len(first.read) == len(first.confidences) == 8
    assert not list((state_folder() / "resume").iterdir())


def test_another_text_is_another_trial(
    parted: Dataset, backbone: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial.answer(parted, backbone, RECIPE, machine)
    rows = [parted.rows[0]._replace(text="dd"), *parted.rows[1:]]
    monkeypatch.delattr(trial, "train")
    with pytest.raises(NameError):
        trial.answer(replace(parted, rows=rows), backbone, RECIPE, machine)


def test_a_network_of_another_stride_is_another_trial(
    parted: Dataset, backbone: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights are the same bytes, and it was answered by the one before."""
    trial.answer(parted, backbone, RECIPE, machine)
    card = read_json(backbone / "backbone.json")
    card["output_stride"] = 4
    write_json(backbone / "backbone.json", card)
    monkeypatch.delattr(trial, "train")
    with pytest.raises(NameError):
        trial.answer(parted, backbone, RECIPE, machine)


def test_an_interrupted_trial_goes_on(
    parted: Dataset, backbone: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trial.answer(parted, backbone, RECIPE, machine, variant="whole")
    ask = trial._ask

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "_ask", interrupt)
    with pytest.raises(KeyboardInterrupt):
        trial.answer(parted, backbone, RECIPE, machine)
    left = {path.name.split("-")[0] for path in (state_folder() / "resume").iterdir()}
    assert left == {"train_head", "fine_tune"}
    monkeypatch.setattr(trial, "_ask", ask)
    later = trial.answer(parted, backbone, RECIPE, machine)
    assert np.array_equal(later.logits, whole.logits)
