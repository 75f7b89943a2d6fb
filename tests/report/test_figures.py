from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from captcha_tagger.report.figures import draw_curves, draw_labels, draw_top_losses
from tests.runs import load_run, write_run


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load_run(write_run(tmp_path_factory.mktemp("run"), labels="ab$<日"))


@pytest.mark.parametrize(
    "draw", [draw_curves, draw_labels, lambda path, results: draw_top_losses(path, results, 5)]
)
def test_a_figure_is_a_picture_and_the_same_each_time(draw, results, tmp_path):
    for name in ("one.png", "two.png"):
        draw(tmp_path / name, results)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.width < 1300  # as wide as the page that dvc makes
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 10


def test_a_run_without_training_has_empty_curves(results, tmp_path):
    draw_curves(tmp_path / "curves.png", replace(results, steps=[], epochs=[]))
    assert (tmp_path / "curves.png").exists()


def test_colour_images_are_drawn_in_colour(results, tmp_path):
    grey = np.zeros_like(results.pixels)
    red = np.concatenate([grey + 255, grey, grey], axis=1)
    draw_top_losses(tmp_path / "top_losses.png", replace(results, pixels=red), 3)
    with Image.open(tmp_path / "top_losses.png") as picture:
        assert (255, 0, 0) in [color for _, color in picture.convert("RGB").getcolors(1 << 20)]
