import numpy as np
import pytest
import torch

from captcha_tagger.drawing.warping import light_up, warp

NEAR, WIDE = np.ones(8, bool), np.zeros(8, bool)


def blot() -> torch.Tensor:
    ink = torch.zeros(8, 50, 200)
    ink[:, 20:30, 90:110] = 1
    return ink


@pytest.mark.parametrize("near", [NEAR, WIDE], ids=["near", "wide"])
def test_warps_move_ink_by_a_few_pixels_and_keep_its_amount(near):
    warped = warp(blot(), near, np.random.default_rng(0))
    assert warped.min() >= 0
    assert warped.max() <= 1
    assert warped[:, :, :50].max() == 0
    assert warped[:, :, 150:].max() == 0
    assert warped.sum((1, 2)) == pytest.approx(200, rel=0.6)


def test_every_image_is_warped_in_its_own_way():
    warped = warp(blot(), NEAR, np.random.default_rng(0))
    assert len({image.numpy().tobytes() for image in warped}) == 8


def test_near_images_are_black_on_a_gradient_that_brightens_to_the_right():
    pixels = light_up(blot(), torch.zeros(8, 50, 200), NEAR, np.random.default_rng(1)).float()
    upright = pixels[pixels[:, 0].mean(1) > 128]  # the few inverted ones aside
    assert len(upright) > 5
    assert upright[:, 22:28, 95:105].mean() < 15
    assert ((upright[:, :, -10:] - upright[:, :, :10]).mean((1, 2)) > 30).all()


def test_lines_are_printed_like_ink():
    nothing, lines = torch.zeros(8, 50, 200), torch.zeros(8, 50, 200)
    lines[:, 40] = 1
    pixels = light_up(nothing, lines, NEAR, np.random.default_rng(1)).float()
    contrast = (pixels[:, 40] - pixels[:, 10]).abs().mean(1)
    assert contrast.min() > 150


def test_light_depends_on_the_generator_alone():
    once, again = (light_up(blot(), blot(), WIDE, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(once, again)
