import torch
from safetensors.torch import load_file

from captcha_tagger.base.files import read_table
from tests.stages.conftest import Workspace


def test_the_backbone_stays_as_it_was(trained: Workspace) -> None:
    backbone = load_file(trained.data / "backbone" / "weights.safetensors")
    model = load_file(trained.data / "train_head" / "model" / "weights.safetensors")
    for name, weights in backbone.items():
        if name != "stem.0.weight":  # adapted to grey
            assert torch.equal(model[f"backbone.{name}"], weights), name


def test_history_has_a_row_per_step_and_epoch(trained: Workspace) -> None:
    steps = read_table(trained.data / "train_head" / "steps.csv")
    epochs = read_table(trained.data / "train_head" / "epochs.csv")
    assert [int(row["step"]) for row in steps] == list(range(4))
    assert [row["epoch"] for row in epochs] == ["1"]


def test_nothing_to_resume_is_left(trained: Workspace) -> None:
    assert not list((trained.folder / ".state" / "resume").iterdir())
