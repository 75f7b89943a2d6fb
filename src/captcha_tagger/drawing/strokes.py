"""A layer being drawn, and the lines, curves and specks that captchas are cluttered with.

Layers are premultiplied: colours on black, beside how far they cover what lies below.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Random = np.random.Generator
Color = tuple[int, int, int]
Path = list[tuple[float, float]]

CURVE_POINTS = np.linspace(0, 1, 24)


class Canvas:
    """A layer (height, width) in pixels, empty at first."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self._colors = Image.new("RGB", (width, height))
        self._cover = Image.new("L", (width, height))
        self._color_pen = ImageDraw.Draw(self._colors)
        self._cover_pen = ImageDraw.Draw(self._cover)

    def stamp(self, ink: Image.Image, corner: tuple[int, int], color: Color) -> None:
        self._colors.paste(color, corner, ink)
        self._cover.paste(255, corner, ink)

    def stroke(self, path: Path, color: Color, width: int) -> None:
        self._color_pen.line(path, color, width, joint="curve")
        self._cover_pen.line(path, 255, width, joint="curve")

    def blot(self, x: float, y: float, radius: float, color: Color) -> None:
        box = (x - radius, y - radius, x + radius, y + radius)
        self._color_pen.ellipse(box, color)
        self._cover_pen.ellipse(box, 255)

    def read(self) -> NDArray[np.uint8]:
        """Premultiplied RGB and cover: uint8 (height, width, 4)."""
        return np.dstack([np.asarray(self._colors), np.asarray(self._cover)])


def scatter_strokes(canvas: Canvas, colors: Sequence[Color], generator: Random) -> None:
    """A few lines and curves across the image, thin or thick."""
    thick = generator.random() > 0.55
    width = int(generator.integers(2, 4 + canvas.height // 25)) if thick else 1
    for _ in range(int(generator.integers(1, 3 if width > 3 else 7))):
        color = colors[int(generator.integers(len(colors)))]
        canvas.stroke(_draw_path(canvas, generator), color, width)


def scatter_dots(canvas: Canvas, colors: Sequence[Color], generator: Random) -> None:
    """Specks of one colour over everything, or some blots."""
    if generator.random() < 0.7:
        specks = generator.random((canvas.height, canvas.width)) < generator.uniform(0.002, 0.1)
        if generator.random() < 0.4:
            specks[:, 1:] |= specks[:, :-1]
        color = colors[int(generator.integers(len(colors)))]
        canvas.stamp(Image.fromarray(specks.astype(np.uint8) * 255), (0, 0), color)
        return
    for _ in range(int(generator.integers(3, 30))):
        x, y = generator.random(2) * (canvas.width, canvas.height)
        color = colors[int(generator.integers(len(colors)))]
        canvas.blot(x, y, generator.uniform(0.5, 3), color)


def _draw_path(canvas: Canvas, generator: Random) -> Path:
    kind = generator.random()
    draw = (
        _draw_line if kind < 0.45
        else _draw_cubic if kind < 0.75
        else _draw_sine if kind < 0.9
        else _draw_arc
    )  # fmt: skip
    points = draw(np.array([canvas.width, canvas.height]), generator)
    return [(float(x), float(y)) for x, y in points]


def _draw_line(size: NDArray[np.int64], generator: Random) -> NDArray[np.float64]:
    """Between any two places, or from the left side to the right."""
    ends = generator.random((2, 2)) * size
    if generator.random() < 0.5:
        ends[:, 0] = ends[0, 0] * 0.25, size[0] - ends[1, 0] * 0.25
    return ends


def _draw_cubic(size: NDArray[np.int64], generator: Random) -> NDArray[np.float64]:
    points = generator.uniform(-0.1, 1.1, (4, 2)) * size
    points[:, 0] = np.sort(points[:, 0])
    t = CURVE_POINTS
    weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]
    return np.stack(weights, 1) @ points


def _draw_sine(size: NDArray[np.int64], generator: Random) -> NDArray[np.float64]:
    left, right = generator.uniform(-0.1, 0.3), generator.uniform(0.7, 1.1)
    waves, phase = generator.uniform(0.5, 4), generator.uniform(0, 2 * np.pi)
    middle, tall = generator.uniform(0.2, 0.8), generator.uniform(0.05, 0.4)
    height = middle + tall * np.sin(2 * np.pi * waves * CURVE_POINTS + phase)
    return np.stack([left + CURVE_POINTS * (right - left), height], 1) * size


def _draw_arc(size: NDArray[np.int64], generator: Random) -> NDArray[np.float64]:
    radius, centre = generator.uniform(0.3, 2) * size[1], generator.random(2) * size
    angles = generator.uniform(0, 2 * np.pi) + CURVE_POINTS * generator.uniform(1, 2 * np.pi)
    return centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
