import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from captcha_tagger.backbone.weights import (
    imagenet_weights,
    random_weights,
    weights_from_file,
)
from captcha_tagger.base.errors import InputError
from captcha_tagger.network.backbone_folder import (
    BackboneCard,
    fit_first_convolution,
    load_backbone,
    save_backbone,
)
from captcha_tagger.network.backbones import build_backbone
from captcha_tagger.network.card import BACKBONE_CARD, WEIGHTS, Architecture

COMPACT = Architecture(name="compact", output_stride=8, dropped_stages=0)
RESNET = Architecture(name="resnet18", output_stride=8, dropped_stages=1)


def test_a_saved_backbone_comes_back(tmp_path: Path) -> None:
    weights = random_weights(COMPACT, seed=1)
    card = BackboneCard(architecture=COMPACT, source="random", alphabet=[])
    save_backbone(card, weights, tmp_path / "backbone")
    loaded_card, loaded = load_backbone(tmp_path / "backbone")
    assert loaded_card == card
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)


def test_random_weights_follow_their_seed() -> None:
    one, same, other = (random_weights(COMPACT, seed)["stem.0.weight"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_torchvision_classifiers_file_is_taken(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(0)
    state = models.resnet18().state_dict()
    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    weights = weights_from_file(RESNET, path)
    assert torch.equal(weights["stem.0.weight"], state["conv1.weight"])
    assert torch.equal(weights["layer3.0.conv1.weight"], state["layer3.0.conv1.weight"])


def test_a_grey_classifiers_file_is_adapted_to_colour(tmp_path: Path) -> None:
    state = models.resnet18().state_dict()
    grey = state["conv1.weight"].sum(1, keepdim=True)
    torch.save({**state, "conv1.weight": grey}, tmp_path / "w.pth")
    kernel = weights_from_file(RESNET, tmp_path / "w.pth")["stem.0.weight"]
    assert kernel.shape[1] == 3
    torch.testing.assert_close(kernel.sum(1, keepdim=True), grey)


def test_our_own_weights_are_taken_too(tmp_path: Path) -> None:
    weights = random_weights(COMPACT, seed=1)
    save_file({f"backbone.{name}": t for name, t in weights.items()}, tmp_path / "w.safetensors")
    taken = weights_from_file(COMPACT, tmp_path / "w.safetensors")
    assert taken.keys() == weights.keys()


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    save_file(random_weights(COMPACT, seed=1), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="does not hold weights of resnet18"):
        weights_from_file(RESNET, tmp_path / "w.safetensors")


def test_groups_of_channels_tell_architectures_apart(tmp_path: Path) -> None:
    save_file(models.resnext50_32x4d().state_dict(), tmp_path / "w.safetensors")
    wide = RESNET.model_copy(update={"name": "wide_resnet50_2"})
    with pytest.raises(InputError, match="does not hold weights of wide_resnet50_2"):
        weights_from_file(wide, tmp_path / "w.safetensors")


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return Path("exploded").touch, ()


@pytest.mark.parametrize("content", [pickle.dumps({"a": Bomb()}, protocol=2), b"", b"\0" * 100])
def test_a_file_of_no_tensors_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(InputError, match="no state dict"):
        weights_from_file(RESNET, tmp_path / "weights.pth")
    assert not Path("exploded").exists()


@pytest.mark.parametrize("name", [WEIGHTS, BACKBONE_CARD])
def test_a_damaged_backbone_is_refused_and_no_code_in_it_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    card = BackboneCard(architecture=COMPACT, source="random", alphabet=[])
    save_backbone(card, random_weights(COMPACT, seed=1), tmp_path / "backbone")
    (tmp_path / "backbone" / name).write_bytes(pickle.dumps(Bomb(), protocol=0))
    with pytest.raises(InputError, match="damaged backbone"):
        load_backbone(tmp_path / "backbone")
    assert not Path("exploded").exists()


def test_offline_it_says_what_to_do_instead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real download code, pointed at a port that nobody listens on."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = models.ResNet18_Weights.DEFAULT
    monkeypatch.setattr(
        weights, "_value_", models._api.Weights("http://127.0.0.1:9/w-0.pth", lambda: None, {})
    )
    with pytest.raises(InputError, match="set it to shipped, synthetic, random or file"):
        imagenet_weights(RESNET)


def test_a_grey_stem_answers_like_the_colour_one_to_grey_images() -> None:
    torch.manual_seed(0)
    colour = build_backbone(COMPACT, 3).eval()
    grey = build_backbone(COMPACT, 1).eval()
    grey.load_state_dict(fit_first_convolution(colour.state_dict(), grey))
    image = torch.rand(1, 1, 24, 48)
    torch.testing.assert_close(grey(image), colour(image.expand(-1, 3, -1, -1)))
    back = build_backbone(COMPACT, 3).eval()
    back.load_state_dict(fit_first_convolution(grey.state_dict(), back))
    torch.testing.assert_close(back(image.expand(-1, 3, -1, -1)), grey(image))
