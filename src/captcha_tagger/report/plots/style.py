"""Figures for people, in one style whose colours colour-blind eyes can tell apart.

matplotlib is imported where it draws, so that stages start without it. The same data give the same
bytes: no time stamp, no version in the file.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008), without yellow, which is faint on white.
BLUE, ORANGE, GREEN, PINK, SKY, RED = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00",
)  # fmt: skip
LINES: dict[str, dict[str, Any]] = {  # by the kind of a series, as the page's style sheet has them
    "faint": {"color": SKY, "linewidth": 0.6},
    "first": {"color": BLUE, "linestyle": "-", "marker": "o", "markersize": 3},
    "second": {"color": RED, "linestyle": "--", "marker": "s", "markersize": 3},
    "fourth": {"color": PINK, "linestyle": "-.", "marker": "D", "markersize": 3},
    "third": {"color": GREEN, "linestyle": ":", "marker": "^", "markersize": 3},
}
STYLE: Any = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "figure.dpi": 120,
    "font.size": 9,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "text.parse_math": False,  # a label may be a dollar sign
}


@contextmanager
def draw_figure(path: Path, *widths: float, height: float = 3.2) -> Iterator[Sequence["Axes"]]:
    """Yield axes side by side, so many inches wide each; then write the figure as a PNG file."""
    with _write_figure(path, sum(widths), height) as figure:
        yield list(figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0])


@contextmanager
def draw_grid(
    path: Path, number: int, columns: int, *, cell: tuple[float, float]
) -> Iterator[Sequence["Axes"]]:
    """Yield so many axes without ticks, a cell's inches each; then write them as a PNG file."""
    rows = max(1, math.ceil(number / columns))
    with _write_figure(path, columns * cell[0], rows * cell[1]) as figure:
        cells = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes in cells:
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            axes.spines[:].set_visible(False)
        yield cells[:number]


@contextmanager
def _write_figure(path: Path, width: float, height: float) -> Iterator["Figure"]:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box is shown for it
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        figure.savefig(path, format="png", metadata={"Software": None})
