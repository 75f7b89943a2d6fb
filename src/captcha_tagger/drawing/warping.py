"""What happens to drawn ink, a batch at a time: waves, lines, light, blur, noise.

uint8 ink (batch, 50, 200) -> uint8 pixels (batch, 50, 200). Every image has a style of its own:
near to the Kaggle set, whose waves were measured, or wide of it.
"""

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Flags = NDArray[np.bool_]


def warp(ink: Tensor, near: Flags, generator: np.random.Generator) -> Tensor:
    """Two resamplings, as the Kaggle images had: float (batch, 50, 200) from 0 to 1."""
    style = _Style(near, generator)
    _, height, width = ink.shape
    x = torch.arange(width, dtype=torch.float32)[None, None, :]
    y = torch.arange(height, dtype=torch.float32)[None, :, None]
    return _resample(_resample(ink, *_wave(x, y, style)), *_ripple(x, y, style))


def light_up(ink: Tensor, lines: Tensor, near: Flags, generator: np.random.Generator) -> Tensor:
    """Print ink and lines, float (batch, 50, 200) from 0 to 1, on a background: uint8."""
    style = _Style(near, generator)
    _, height, width = ink.shape
    x = torch.linspace(0, 1, width)[None, None, :]
    y = torch.linspace(0, 1, height)[None, :, None]
    left, right = style.draw((186, 198), (140, 255)), style.draw((245, 258), (140, 255))
    background = left + (right - left) * x + style.draw((2, 5), (-40, 40)) * (y - 0.5)
    ink = _blur(ink, style.draw((0, 0.25), (0, 0.6)))
    clear = (1 - ink * style.draw((0.97, 1), (0.6, 1))).mul_(1 - lines)
    black = style.draw((0, 4), (0, 40))
    pixels = ((background - black) * clear).add_(black)
    pixels.addcmul_(_draw_noise(pixels, generator), style.draw((0, 3), (0, 10)))
    inverted = style.happens(0.01, 0.15)
    pixels.mul_(1 - 2 * inverted).add_(255 * inverted)
    return pixels.clamp_(0, 255).round_().to(torch.uint8)


def _draw_noise(like: Tensor, generator: np.random.Generator) -> Tensor:
    """Standard normal noise, cut at random places from one long strip: a tenth of the cost."""
    strip, pixels = _noise_strip(), like[0].numel()
    starts = generator.integers(len(strip) - pixels, size=len(like))
    return torch.stack([strip[start : start + pixels] for start in starts]).view_as(like)


@cache
def _noise_strip() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(2**20, dtype=np.float32))


class _Style:
    """Draws one value per image, from one range for near images and another for wide ones."""

    def __init__(self, near: Flags, generator: np.random.Generator) -> None:
        self.near, self.generator = near, generator

    def draw(self, near: tuple[float, float], wide: tuple[float, float]) -> Tensor:
        share = self.generator.random(len(self.near), dtype=np.float32)
        (low, high), (least, most) = near, wide
        values = np.where(self.near, low + (high - low) * share, least + (most - least) * share)
        return torch.from_numpy(values)[:, None, None]

    def happens(self, near: float, wide: float) -> Tensor:
        return (self.draw((0, 1), (0, 1)) < self.draw((near, near), (wide, wide))).float()


def _wave(x: Tensor, y: Tensor, style: _Style) -> tuple[Tensor, Tensor]:
    """A radial wave; at two pixels' wavelength it aliases into the torn look."""
    dx = x - style.draw((98, 106), (0, 200))
    dy = y - style.draw((24, 28), (0, 50))
    distance = (dx * dx + dy * dy).sqrt_().clamp_(min=1e-3)
    fading = (1 - distance / style.draw((44, 56), (30, 100))).clamp_(min=0)
    short, long = style.draw((1.992, 2.008), (1.9, 2.1)), style.draw((15, 50), (15, 50))
    number = math.tau / torch.where(style.happens(0, 0.4) > 0, long, short)
    phase = style.draw((9.3, 10.7), (0, math.tau))
    strength = style.draw((2, 3.7), (0, 4)) * style.happens(0.95, 0.5)
    amount = (distance * number).sub_(phase).sin_().mul_(fading).mul_(strength).div_(distance)
    return amount * dx + x, dy.mul(amount).add_(y)


def _ripple(x: Tensor, y: Tensor, style: _Style) -> tuple[Tensor, Tensor]:
    """Sine shifts of rows and columns on top of a small turn, shear and stretch about the centre.

    Slow waves along x and y squeeze and widen characters as if they were of other faces. Wide of
    the Kaggle set the ripple may grow to one side.
    """
    down = style.draw((2.1, 3.1), (0, 3)) * torch.sin(
        (y - 1) / style.draw((13.5, 16.5), (6, 20)) + style.draw((-0.3, 0.3), (0, math.tau))
    )
    across = style.draw((1.3, 2.1), (0, 2)) * torch.sin(
        (x - 2) / style.draw((4.7, 5.3), (3, 12)) + style.draw((-0.5, 0.5), (0, math.tau))
    )
    growing = style.draw((0, 0), (-1, 1)) * (x / 100 - 1)
    shear, turn = style.draw((-0.06, 0.06), (-0.25, 0.25)), style.draw((-0.01, 0.01), (-0.08, 0.08))
    own_x = 100 + style.draw((0.95, 1.05), (0.85, 1.15)) * (x - 100) + _slow_wave(x, style)
    own_y = 25 + style.draw((0.95, 1.05), (0.85, 1.15)) * (y - 25) + _slow_wave(y, style)
    source_x = own_x + (shear * (y - 25) + down + style.draw((-0.5, 0.5), (-0.5, 0.5)))
    source_y = own_y + (turn * (x - 100) + across * (1 + growing))
    return source_x.addcmul_(down, growing), source_y


def _slow_wave(along: Tensor, style: _Style) -> Tensor:
    number = math.tau / style.draw((18, 60), (18, 60))
    return style.draw((0, 1.5), (0, 2)) * torch.sin(
        along * number + style.draw((0, math.tau), (0, math.tau))
    )


def _resample(image: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Take every pixel from (x, y), bilinearly; nothing lies outside."""
    batch, height, width = image.shape
    grid = torch.empty(batch, height, width, 2)
    torch.add(x * (2 / width), 1 / width - 1, out=grid[..., 0])
    torch.add(y * (2 / height), 1 / height - 1, out=grid[..., 1])
    return functional.grid_sample(image[:, None], grid, align_corners=False)[:, 0]


def _blur(image: Tensor, amount: Tensor) -> Tensor:
    """Mix each pixel with its neighbours by `amount` (batch, 1, 1), 0 none, 1 a flat 3x3."""
    side = amount / 3
    padded = functional.pad(image, (1, 1))
    image = (padded[..., :-2] + padded[..., 2:]).mul_(side).addcmul_(image, 1 - 2 * side)
    padded = functional.pad(image, (0, 0, 1, 1))
    return (padded[:, :-2] + padded[:, 2:]).mul_(side).addcmul_(image, 1 - 2 * side)
