from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from captcha_tagger.backbone.shipped import FOLDER
from captcha_tagger.backbone.weights import random_weights
from captcha_tagger.base.errors import InputError
from captcha_tagger.data.dataset import Dataset
from captcha_tagger.data.manifest import Row
from captcha_tagger.drawing.kaggle import HEIGHT
from captcha_tagger.network.backbone_folder import (
    BackboneCard,
    backbone_weights,
    save_backbone,
)
from captcha_tagger.network.heads import EVIDENCE
from captcha_tagger.training.params import TrainHead
from captcha_tagger.training.start import DRAWN_HEIGHT, start_tagger
from tests.conftest import make_arrays, make_card, make_tagger

PARAMS = TrainHead(
    head="ctc",
    epochs=1,
    batch_size=4,
    learning_rate=0.01,
    weight_decay=0.0,
    augment=False,
    shards=1,
    seed=0,
)


def make_data(vocabulary: str = "abcd", train_images: int = 20) -> Dataset:
    pixels, targets = make_arrays()
    rows = [Row(f"{i}.png", "a", str(i), 48, 24) for i in range(len(pixels))]
    return Dataset(
        pixels, rows, list(vocabulary), targets, np.arange(train_images), np.arange(20, 24)
    )


def save_synthetic(folder: Path, head: str = "ctc") -> None:
    model = make_tagger(head)
    card = BackboneCard(
        architecture=make_card().architecture,
        source="synthetic",
        alphabet=["a", "b", "c", "d"],
    )
    save_backbone(card, backbone_weights(model), folder)


def save_random(folder: Path) -> None:
    architecture = make_card().architecture
    card = BackboneCard(architecture=architecture, source="random", alphabet=[])
    save_backbone(card, random_weights(architecture, 0), folder)


def test_the_height_that_is_advised_is_that_of_the_drawings() -> None:
    assert DRAWN_HEIGHT == HEIGHT


def test_known_labels_keep_what_the_pretraining_learned(tmp_path: Path) -> None:
    save_synthetic(tmp_path / "backbone")
    model = start_tagger(tmp_path / "backbone", make_data("dxba"), PARAMS)
    for name in EVIDENCE:
        new, learned = model.head.get_parameter(name), make_tagger().head.get_parameter(name)
        assert torch.equal(new[[0, 2, 3, 4]], learned[[3, 1, 0, 4]])  # the blank's row is the last
        assert not any(torch.equal(new[1], known) for known in learned)


def test_without_a_blank_labels_keep_their_odds_against_it(tmp_path: Path) -> None:
    """sigmoid(z_label - z_blank) is a label's share of what it and the blank have."""
    save_synthetic(tmp_path / "backbone")
    params = PARAMS.model_copy(update={"head": "noisy_or"})
    model = start_tagger(tmp_path / "backbone", make_data(), params)
    for name in EVIDENCE:
        learned = make_tagger().head.get_parameter(name)
        assert torch.equal(model.head.get_parameter(name), learned[:-1] - learned[-1])


def test_evidence_learned_without_a_blank_counts_against_zero(tmp_path: Path) -> None:
    save_synthetic(tmp_path / "backbone", "noisy_or")
    model = start_tagger(tmp_path / "backbone", make_data(), PARAMS)
    for name in EVIDENCE:
        learned = make_tagger("noisy_or").head.get_parameter(name)
        new = model.head.get_parameter(name)
        assert torch.equal(new[:-1], learned)
        assert not new[-1].any()


def test_a_text_longer_than_its_columns_is_one_line(tmp_path: Path) -> None:
    """zero_infinity would train on without it, and never say so."""
    save_synthetic(tmp_path / "backbone")
    data = make_data()
    data.rows[3] = data.rows[3]._replace(text="aabb")  # 6 columns: a blank within aa and bb
    start_tagger(tmp_path / "backbone", data, PARAMS)
    data.rows[3] = data.rows[3]._replace(text="aabbc")
    with pytest.raises(InputError, match=r"3\.png: .* takes 7 .* ingest\.width to 56 or more"):
        start_tagger(tmp_path / "backbone", data, PARAMS)
    noisy_or = PARAMS.model_copy(update={"head": "noisy_or"})
    start_tagger(tmp_path / "backbone", data, noisy_or)


def test_without_training_images_a_pretraining_answers_alone(tmp_path: Path) -> None:
    save_synthetic(tmp_path / "backbone")
    model = start_tagger(tmp_path / "backbone", make_data(train_images=0), PARAMS)
    assert torch.equal(model.head.evidence.weight, make_tagger().head.evidence.weight)
    save_random(tmp_path / "random")
    with pytest.raises(InputError, match=r"set backbone\.source to"):
        start_tagger(tmp_path / "random", make_data(train_images=0), PARAMS)


def test_without_training_images_a_head_that_starts_from_nothing_is_one_line(
    tmp_path: Path,
) -> None:
    """It answered at random, and never said so."""
    data = make_data(train_images=0)
    with pytest.raises(InputError, match=r"24 pixels high: set ingest\.height to 50"):
        start_tagger(FOLDER, data, PARAMS)
    upright = replace(data, pixels=data.pixels.repeat(3, axis=2)[:, :, :50])
    start_tagger(FOLDER, upright, PARAMS)
    concat = PARAMS.model_copy(update={"head": "concat"})
    with pytest.raises(InputError, match=r"set train_head\.head to ctc or noisy_or"):
        start_tagger(FOLDER, upright, concat)
    with pytest.raises(InputError, match="keep some training images"):
        start_tagger(FOLDER, replace(upright, vocabulary=list("бвгд")), PARAMS)


def test_a_head_that_starts_from_nothing_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_synthetic(tmp_path / "fits")
    save_random(tmp_path / "random")
    for backbone in ("fits", "random"):
        start_tagger(tmp_path / backbone, make_data(), PARAMS)
    assert not capsys.readouterr().out
    start_tagger(FOLDER, make_data(), PARAMS)
    out = capsys.readouterr().out
    assert "24 pixels high: set ingest.height to 50" in out
    assert out.count("\n") == 1


def test_a_new_head_does_not_touch_torchs_generator(tmp_path: Path) -> None:
    save_random(tmp_path / "random")
    torch.manual_seed(1)
    start_tagger(tmp_path / "random", make_data(), PARAMS)
    assert torch.initial_seed() == 1
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
