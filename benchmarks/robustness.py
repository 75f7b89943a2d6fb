"""The final model under blur, noise, JPEG, shift, rotation and low contrast, at three strengths.

    python benchmarks/robustness.py [PLOT.png]

Reads data/ingest, data/split and data/fine_tune of the last `dvc repro`; prints the exact-set
accuracy on the validation part for each corruption, and draws it where a path is given.
"""

import argparse
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from tabulate import tabulate

from captcha_tagger.base.files import atomic_file
from captcha_tagger.data.dataset import load_dataset
from captcha_tagger.engine.compute import set_up
from captcha_tagger.metrics.sets import count, exact_set
from captcha_tagger.network.inference import infer
from captcha_tagger.network.model_folder import load_model
from captcha_tagger.params import load_params
from captcha_tagger.report.plots import style

Pixels = NDArray[np.uint8]


def blur(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


def add_noise(image: Image.Image, sigma: float) -> Image.Image:
    pixels = np.asarray(image).astype(float)
    noise = np.random.default_rng(0).normal(0, sigma, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def compress(image: Image.Image, quality: float) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(quality))
    return Image.open(file)


def shift(image: Image.Image, pixels: float) -> Image.Image:
    matrix = (1, 0, pixels, 0, 1, pixels / 2)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=border(image))


def rotate(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=border(image))


def fade(image: Image.Image, contrast: float) -> Image.Image:
    return image.point(lambda value: 128 + (value - 128) * contrast)


def border(image: Image.Image) -> int:
    return int(np.median(np.asarray(image)[:, -1]))


CORRUPTIONS: dict[str, tuple[Callable[[Image.Image, float], Image.Image], list[float]]] = {
    "blur (radius in pixels)": (blur, [0.7, 1.2, 2.0]),
    "noise (standard deviation of 255)": (add_noise, [8, 20, 40]),
    "JPEG (quality)": (compress, [50, 25, 10]),
    "shift (pixels right; half of it down)": (shift, [4, 8, 16]),
    "rotation (degrees)": (rotate, [3, 6, 12]),
    "contrast (times)": (fade, [0.7, 0.4, 0.2]),
}
LEVELS = ("clean", "mild", "medium", "strong")


def corrupt(
    pixels: Pixels, change: Callable[[Image.Image, float], Image.Image], amount: float
) -> Pixels:
    """Apply one change to every grey image (images, 1, height, width)."""
    return np.stack([np.asarray(change(Image.fromarray(p[0]), amount))[None] for p in pixels])


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("plot", type=Path, nargs="?")
    arguments = parser.parse_args()
    machine = set_up(load_params().compute)
    data = load_dataset(Path("data/ingest"), Path("data/split"))
    model = load_model(Path("data/fine_tune/model"), machine.device)
    clean = np.ascontiguousarray(data.pixels[data.validation])
    actual = data.targets[data.validation] > 0.5
    everything = np.arange(len(clean))

    def score(pixels: Pixels) -> float:
        part = replace(
            data,
            pixels=pixels,
            rows=data.validation_rows,
            targets=data.targets[data.validation],
            validation=everything,
        )
        probs = infer(model, part.validation_images(machine.device)).probs
        return exact_set(count(probs > model.card.threshold, actual))

    rows = []
    for name, (change, amounts) in CORRUPTIONS.items():
        scores = [score(corrupt(clean, change, amount)) for amount in amounts]
        cells = [f"{s:.3f} at {a:g}" for s, a in zip(scores, amounts, strict=True)]
        rows.append([name, score(clean), *cells])
    print(f"exact set of {len(clean)} validation images")
    print(tabulate(rows, ["change", *LEVELS], "github"))
    if arguments.plot:
        draw(arguments.plot, rows)


def draw(path: Path, rows: list[list[Any]]) -> None:
    with atomic_file(path) as beside, style.draw_figure(beside, 6.0) as (axes,):
        for name, clean, *cells in rows:
            scores = [clean, *(float(cell.split()[0]) for cell in cells)]
            axes.plot(LEVELS, scores, "o-", label=name)
        axes.set(ylabel="exact set", ylim=(0, 1.02))
        axes.legend(loc="lower left")


if __name__ == "__main__":
    main()
