from pathlib import Path

import numpy as np
import pytest

from captcha_tagger.data.dataset import Dataset
from captcha_tagger.engine.compute import Machine
from captcha_tagger.review.folds import judge, part_into_folds
from captcha_tagger.review.trial import answer
from captcha_tagger.split.params import Split
from tests.review.conftest import RECIPE, TinyRecipe

SPLIT = Split(method="stratified", validation=0.2, folds=None, fold=0, train_images=3, seed=0)


def test_each_image_is_judged_once_by_a_model_that_has_not_seen_it(data: Dataset) -> None:
    """Also where params keep only a few training images, or hold out another share."""
    folds = list(part_into_folds(data, SPLIT, 3))
    judged = np.concatenate([fold.validation for fold in folds])
    assert sorted(judged.tolist()) == list(range(len(data.rows)))
    for fold in folds:
        assert sorted([*fold.train, *fold.validation]) == list(range(len(data.rows)))
        texts = [{data.rows[row].text for row in part} for part in (fold.train, fold.validation)]
        assert not texts[0] & texts[1]


def test_verdicts_stand_in_the_order_of_the_images(
    data: Dataset, backbone: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    found = judge(data, backbone, RECIPE, SPLIT, machine, folds=2, every_seconds=60)
    assert [line[:11] for line in capsys.readouterr().out.splitlines()] == [
        "fold 1 of 2",
        "fold 2 of 2",
    ]
    for fold in part_into_folds(data, SPLIT, 2):
        one = answer(fold, backbone, RECIPE, machine)
        assert [found.read[row] for row in one.rows] == one.read.tolist()
        assert found.sureness[one.rows].tolist() == one.confidences.tolist()


def test_a_head_that_does_not_read_is_as_sure_as_its_least_sure_label(
    data: Dataset, backbone: Path, machine: Machine
) -> None:
    head = RECIPE.train_head.model_copy(update={"head": "noisy_or"})
    recipe = TinyRecipe(head, RECIPE.fine_tune)
    found = judge(data, backbone, recipe, SPLIT, machine, folds=2, every_seconds=60)
    assert found.read == []
    assert ((found.sureness >= 0.5) & (found.sureness <= 1)).all()
