import pytest
import torch

from captcha_tagger.base.errors import InputError
from captcha_tagger.network.backbones import build_backbone, first_convolution
from captcha_tagger.network.card import Architecture
from captcha_tagger.network.heads import NoisyOrHead
from captcha_tagger.network.tagger import Tagger
from tests.conftest import make_card, make_tagger


def pixels(batch: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, 1, 24, 48), generator=generator, dtype=torch.uint8)


def test_noisy_or_is_one_minus_the_product_of_absences() -> None:
    model = make_tagger("noisy_or")
    assert isinstance(model.head, NoisyOrHead)
    evidence = model.head.show(model.features(pixels())).double()
    expected = 1 - (1 - evidence).prod(-1).prod(-1)
    torch.testing.assert_close(
        torch.sigmoid(model(pixels()).double()), expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("logit", [-80.0, 0.0, 80.0])
def test_noisy_or_stays_finite_at_the_extremes(logit: float) -> None:
    head = NoisyOrHead(channels=1, rows=2, labels=1)
    torch.nn.init.zeros_(head.evidence.weight)
    torch.nn.init.constant_(head.evidence.bias, logit)  # type: ignore[arg-type]
    answer = head(torch.zeros(1, 1, 2, 3))
    answer.sum().backward()
    assert torch.isfinite(answer).all()
    assert torch.isfinite(head.evidence.bias.grad).all()  # type: ignore[union-attr]


def test_initial_probs_are_the_base_rates() -> None:
    model = make_tagger("noisy_or")
    rates = torch.tensor([0.1, 0.25, 0.5, 0.9])
    assert isinstance(model.head, NoisyOrHead)
    model.head.start_from_base_rates(rates, model.columns)
    torch.nn.init.zeros_(model.head.evidence.weight)
    torch.testing.assert_close(torch.sigmoid(model(pixels(1)))[0], rates)


@pytest.mark.parametrize("head", ["ctc", "noisy_or", "concat"])
def test_freezing_stops_gradients_and_running_statistics(head: str) -> None:
    model = make_tagger(head).train()
    model.freeze_backbone()
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    model(pixels()).sum().backward()
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in model.backbone.parameters())
    assert any(p.grad is not None for p in model.head.parameters())
    model.freeze_backbone(frozen=False)
    model(pixels()).sum().backward()
    assert not torch.equal(
        model.backbone.state_dict()["stem.1.running_mean"], before["stem.1.running_mean"]
    )


def test_layer_groups_hold_every_parameter_once() -> None:
    model = make_tagger()
    grouped = [parameter for group in model.layer_groups() for parameter in group]
    assert [id(p) for p in grouped] == [id(p) for p in model.parameters()]


@pytest.mark.parametrize("name", ["compact", "resnet18", "mobilenet_v3_small"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_backbone_takes_grey_and_colour(name: str, channels: int) -> None:
    model = Tagger(make_card(name=name, channels=channels)).eval()
    assert model(torch.zeros(1, channels, 24, 48)).shape == (1, 4)


def test_the_first_step_reaches_every_layer() -> None:
    """A block that started as its shortcut alone would hold its own convolutions back."""
    model = make_tagger().train()
    model(torch.randint(0, 256, (4, 1, 24, 48)).float()).sum().backward()
    assert all(parameter.grad.any() for parameter in model.backbone.parameters())


def test_a_resnet_can_be_refitted_to_small_images() -> None:
    def positions(output_stride: int, dropped: int) -> tuple[int, ...]:
        architecture = Architecture(
            name="resnet18",
            output_stride=output_stride,
            dropped_stages=dropped,  # type: ignore[arg-type]
        )
        return tuple(build_backbone(architecture, 1).eval()(torch.zeros(1, 1, 64, 128)).shape[1:])

    assert positions(32, 0) == (512, 2, 4)
    assert positions(4, 0) == (512, 16, 32)
    assert positions(8, 0) == (512, 8, 16)
    assert positions(8, 1) == (256, 8, 16)


def test_compact_trades_rows_for_columns() -> None:
    def positions(output_stride: int) -> tuple[int, ...]:
        architecture = Architecture(name="compact", output_stride=output_stride, dropped_stages=0)  # type: ignore[arg-type]
        return tuple(build_backbone(architecture, 1).eval()(torch.zeros(1, 1, 50, 200)).shape[1:])

    assert positions(8) == (128, 7, 25)
    assert positions(4) == (128, 4, 50)
    with pytest.raises(InputError, match="choose 4 or 8"):
        positions(32)


def test_an_unknown_architecture_names_near_ones() -> None:
    architecture = Architecture(name="resnet19", output_stride=8, dropped_stages=0)
    with pytest.raises(InputError, match="resnet18"):
        build_backbone(architecture, 1)


def test_an_architecture_without_convolutional_stages_is_refused() -> None:
    for name in ("swin_t", "vit_b_16"):
        architecture = Architecture(name=name, output_stride=8, dropped_stages=0)
        with pytest.raises(InputError, match="no convolutional stages"):
            build_backbone(architecture, 1)


def test_one_too_deep_for_the_images_is_refused() -> None:
    with pytest.raises(InputError, match="alexnet needs larger images than 48x24"):
        Tagger(make_card(name="alexnet"))


def test_one_that_cannot_learn_from_a_single_position_is_refused() -> None:
    """One image of a shard by itself has no variance there: it ended in torch's ValueError."""
    card = make_card("noisy_or", name="mobilenet_v3_small")
    pixels = torch.randint(0, 256, (2, 1, 24, 48), dtype=torch.uint8)
    Tagger(card).train()(pixels[:1])  # two positions
    model = Tagger(card.model_copy(update={"width": 24})).train()
    model(pixels[..., :24])
    with pytest.raises(
        InputError, match="mobilenet_v3_small sees one position of an image of 24x24"
    ):
        model(pixels[:1, ..., :24])


def test_the_first_convolution_is_the_one_that_sees_the_image() -> None:
    name, layer = first_convolution(make_tagger().backbone)
    assert (name, layer.in_channels) == ("stem.0", 1)


def test_a_last_batch_of_one_trains_a_concat_head() -> None:
    """Three images in batches of two ended in torch's ValueError: one has no variance."""
    model = make_tagger("concat").train()
    pixels = torch.randint(0, 256, (2, 1, 24, 48), dtype=torch.uint8)
    model(pixels).sum().backward()
    known = {name: buffer.clone() for name, buffer in model.head.named_buffers()}
    model(pixels[:1]).sum().backward()
    assert all(torch.equal(buffer, known[name]) for name, buffer in model.head.named_buffers())
    assert all(parameter.grad.isfinite().all() for parameter in model.head.parameters())
