"""Small random changes that keep the text: made on the device, a batch at a time. Never flips."""

import math

import torch
from torch import Tensor
from torch.nn import functional

ROTATION_DEGREES = 3.0
SCALE = 0.08
SHIFT_COLUMNS = 0.04  # shares of the width and height
SHIFT_ROWS = 0.08
CONTRAST = 0.2
BRIGHTNESS = 16.0  # of 255


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Uint8 (batch, channels, height, width) -> float 0..255, each image changed on its own.

    The generator lives on the CPU, so every device draws the same changes.
    """
    batch, _, height, width = pixels.shape

    def draw(amplitude: float) -> Tensor:
        return (torch.rand(batch, generator=generator) * 2 - 1) * amplitude

    angle = draw(math.radians(ROTATION_DEGREES))
    scale_x, scale_y = 1 + draw(SCALE), 1 + draw(SCALE)
    cos, sin = torch.cos(angle), torch.sin(angle)
    aspect = height / width  # affine_grid's axes both run from -1 to 1
    affine = torch.stack(
        [
            torch.stack([cos * scale_x, -sin * scale_y * aspect, 2 * draw(SHIFT_COLUMNS)], 1),
            torch.stack([sin * scale_x / aspect, cos * scale_y, 2 * draw(SHIFT_ROWS)], 1),
        ],
        1,
    )  # (batch, 2, 3)
    gain = (1 + draw(CONTRAST)).view(-1, 1, 1, 1).to(pixels.device)
    offset = draw(BRIGHTNESS).view(-1, 1, 1, 1).to(pixels.device)
    grid = functional.affine_grid(
        affine.to(pixels.device), [batch, 1, height, width], align_corners=False
    )
    moved = functional.grid_sample(pixels.float(), grid, padding_mode="border", align_corners=False)
    return ((moved - 128) * gain + 128 + offset).clamp(0, 255)
