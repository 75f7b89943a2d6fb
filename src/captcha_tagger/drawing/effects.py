"""What happens to drawn captchas on their way to a file, a few images at a time.

Layers -> uint8 pixels: the text bends, the layers lie over each other, and the whole loses light,
resolution and colours. The amounts are sampled per image; which of the slower effects happen at all
is sampled per chunk.
"""

import io
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from captcha_tagger.drawing.painting import Layers
from captcha_tagger.drawing.strokes import Random

Draw = Callable[..., Tensor]  # Amounts.draw

USUAL_HEIGHT = 50  # pixels, for which the lengths of waves are given


class Finished(NamedTuple):
    pixels: Tensor  # uint8 (batch, 3, height, width)
    centres: list[Tensor]  # x of each character, pixels


class Amounts:
    """Samples one amount per image, shaped to multiply (batch, height, width) or with channels.

    `spread` is the share of each range, around its middle, that is sampled from.
    """

    def __init__(self, batch: int, generator: Random, dims: int = 3, spread: float = 1.0) -> None:
        self.batch, self.generator, self.spread = batch, generator, spread
        self.shape = (batch, *[1] * (dims - 1))

    def draw(self, low: float, high: float, share: float = 1.0) -> Tensor:
        """Uniform from low to high for a share of the images, 0 for the others."""
        margin = (high - low) * (1 - self.spread) / 2
        amounts = self.generator.uniform(low + margin, high - margin, self.batch)
        amounts *= self.generator.random(self.batch) < share
        return torch.from_numpy(amounts.astype(np.float32)).view(self.shape)


def finish(layers: Sequence[Layers], generator: Random) -> Finished:
    """Bend the text of each image, put its layers together, and wear it out."""
    ground, ink, front = (
        _stack([one[layer] for one in layers]) for layer in range(3)  # type: ignore[misc]
    )  # fmt: skip
    shift = _draw_shift(ink, generator)
    centres = [_follow(one.centres, shift[row]) for row, one in enumerate(layers)]
    if generator.random() < 0.2:  # what lies over the text bends with it
        front = bend(front, shift)
    image = _lay_over(_lay_over(ground, bend(ink, shift)), front)
    worn = _wear(image, generator)
    return Finished(worn.mul(255).clamp_(0, 255).round_().to(torch.uint8), centres)


def _stack(arrays: Sequence[np.ndarray]) -> Tensor:
    """(batch, channels, height, width) from 0 to 1."""
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float().div_(255).contiguous()


def _lay_over(under: Tensor, over: Tensor) -> Tensor:
    return under * (1 - over[:, 3:]) + over[:, :3]


def _draw_shift(like: Tensor, generator: Random) -> Tensor:
    """How far off the source of each pixel lies: (batch, height, width, 2), x and y, in pixels."""
    batch, _, height, width = like.shape
    draw = Amounts(batch, generator).draw
    x = torch.arange(width, dtype=torch.float32)[None, None, :]
    y = torch.arange(height, dtype=torch.float32)[None, :, None]
    off_x, off_y = x - width / 2, y - height / 2
    tilt = draw(-0.25, 0.25, 0.15) * off_x / width  # perspective
    dx = draw(-0.3, 0.3, 0.35) * off_y + 0.3 * tilt * off_x
    dy = draw(-0.09, 0.09, 0.4) * off_x + tilt * off_y
    scale = height / USUAL_HEIGHT
    for strength, shortest, longest, share in ((2.5, 10, 40, 0.35), (4.0, 40, 160, 0.35)):
        dx = dx + _draw_wave(y, draw, scale, strength, shortest, longest, share)
        dy = dy + _draw_wave(x, draw, scale, strength, shortest, longest, share)
    off_x, off_y = x - draw(0, width), y - draw(0.2 * height, 0.8 * height)
    reach = draw(0.3, 0.8) * height
    near = torch.exp(-(off_x**2 + off_y**2) / (2 * reach**2))
    swirl, lens = draw(-0.5, 0.5, 0.15) * near, draw(-0.35, 0.35, 0.15) * near
    dx = dx - swirl * off_y + lens * off_x
    dy = dy + swirl * off_x + lens * off_y
    return torch.stack([dx, dy], 3)


def _draw_wave(
    along: Tensor, draw: Draw, scale: float, strength: float, shortest: float, longest: float,
    share: float,
) -> Tensor:  # fmt: skip
    number = math.tau / (draw(shortest, longest) * scale)
    return draw(0, strength * scale, share) * torch.sin(along * number + draw(0, math.tau))


def _follow(centres: list[float], shift: Tensor) -> Tensor:
    """Where the characters stand after the bend, to a pixel or two."""
    places = torch.tensor(centres, dtype=torch.float32)
    columns = places.round().long().clamp(0, shift.shape[1] - 1)
    return places - shift[shift.shape[0] // 2, columns, 0]


def bend(image: Tensor, shift: Tensor) -> Tensor:
    """Take every pixel from where the shift says, bilinearly; nothing lies outside."""
    batch, _, height, width = image.shape
    grid = torch.empty(batch, height, width, 2)
    x = torch.arange(width, dtype=torch.float32)
    y = torch.arange(height, dtype=torch.float32)[:, None]
    torch.add((shift[..., 0] + x) * (2 / width), 1 / width - 1, out=grid[..., 0])
    torch.add((shift[..., 1] + y) * (2 / height), 1 / height - 1, out=grid[..., 1])
    return functional.grid_sample(image, grid, align_corners=False)


def _wear(image: Tensor, generator: Random) -> Tensor:
    """Low resolution, blur, noise, faint contrast, inversion, JPEG: each now and then."""
    draw = Amounts(len(image), generator, dims=4).draw
    coarse, soft, noisy, peppered, hard, packed = generator.random(6) < (
        0.4, 0.3, 0.35, 0.1, 0.03, 0.3,
    )  # fmt: skip
    if coarse:
        image = _coarsen(image, generator.uniform(0.4, 0.95))
    if soft:
        image = _blur(image, draw(0, 0.3, 0.6))
    if noisy:
        image = image + _draw_noise(image, generator) * draw(0, 0.1, 0.7)
    if peppered:
        image = _pepper(image, draw(0, 0.12, 0.8), generator)
    faded = draw(0, 0.5, 0.3)
    image = (image - 0.5) * (1 - faded) + 0.5 + draw(-0.2, 0.2, 0.3) * (faded + 0.3)
    inverted = draw(1, 1, 0.08)
    image = image * (1 - 2 * inverted) + inverted
    if hard:
        lights = image.mean(1, keepdim=True)
        image = (lights > lights.mean((2, 3), keepdim=True)).float().expand(-1, 3, -1, -1)
    return _pack(image, int(generator.integers(25, 90))) if packed else image


def _coarsen(image: Tensor, scale: float) -> Tensor:
    """As of fewer pixels, blown up."""
    height, width = image.shape[2:]
    small = (max(12, round(height * scale)), max(24, round(width * scale)))
    image = functional.interpolate(image, small, mode="bilinear", antialias=True)
    return functional.interpolate(image, (height, width), mode="bilinear")


def _blur(image: Tensor, side: Tensor) -> Tensor:
    """Mix each pixel with its neighbours: `side` is each neighbour's share along an axis."""
    padded = functional.pad(image, (1, 1, 0, 0), mode="replicate")
    image = (padded[..., :-2] + padded[..., 2:]) * side + image * (1 - 2 * side)
    padded = functional.pad(image, (0, 0, 1, 1), mode="replicate")
    return (padded[:, :, :-2] + padded[:, :, 2:]) * side + image * (1 - 2 * side)


def _draw_noise(like: Tensor, generator: Random) -> Tensor:
    batch, channels, height, width = like.shape
    channels = 1 if generator.random() < 0.5 else channels
    noise = generator.standard_normal((batch, channels, height, width), dtype=np.float32)
    return torch.from_numpy(noise)


def _pepper(image: Tensor, share: Tensor, generator: Random) -> Tensor:
    """Turn a share of the pixels black or white."""
    batch, _, height, width = image.shape
    fate = torch.from_numpy(generator.random((batch, 1, height, width), dtype=np.float32))
    return torch.where(fate < share / 2, 0.0, torch.where(fate > 1 - share / 2, 1.0, image))


def _pack(image: Tensor, quality: int) -> Tensor:
    """Through JPEG and back, one below the other in one file: opening a file costs most."""
    batch, channels, height, width = image.shape
    tall = image.permute(0, 2, 3, 1).reshape(batch * height, width, channels)
    pixels = tall.mul(255).clamp_(0, 255).round_().to(torch.uint8).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    back = torch.from_numpy(np.array(Image.open(file))).float().div_(255)
    return back.view(batch, height, width, channels).permute(0, 3, 1, 2)
