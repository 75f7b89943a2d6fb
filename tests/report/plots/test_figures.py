from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from captcha_tagger.ingest.summary import summarize
from captcha_tagger.report.plots.figures import draw_curves, draw_data, draw_labels, draw_top_losses
from tests.runs import load_run, write_run


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load_run(write_run(tmp_path_factory.mktemp("run"), labels="ab$<日"))


def draw_three(path, results):
    draw_top_losses(path, results, 3)


def draw_summary(path, results):
    draw_data(path, summarize(results.rows))


def change_score(results):
    return replace(results, labels=[{**results.labels[0], "f1": "0.1"}, *results.labels[1:]])


def change_answers(results):
    return replace(results, probs=1 - results.probs)


def change_losses(results):
    return replace(results, losses=-results.losses)


def change_texts(results):
    return replace(results, rows=[row._replace(text="a") for row in results.rows])


def look(draw, results, path):
    draw(path, results)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("draw", "change"),
    [
        (draw_labels, change_score),
        (draw_labels, change_answers),
        (draw_three, change_losses),
        (draw_summary, change_texts),
    ],
)
def test_a_figure_shows_its_data_and_is_the_same_each_time(draw, change, results, tmp_path):
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    picture = look(draw, results, one)
    assert picture.shape[1] < 1300  # as wide as the page that dvc makes
    draw(two, results)
    assert one.read_bytes() == two.read_bytes()
    other = look(draw, change(results), two)
    assert other.shape != picture.shape or (other != picture).any()


def test_the_top_losses_are_the_images_themselves(results, tmp_path):
    flat = np.full_like(results.pixels, 77)
    picture = look(draw_three, replace(results, pixels=flat), tmp_path / "top_losses.png")
    assert (picture == 77).all(2).mean() > 0.2


def test_a_run_without_training_has_empty_curves(results, tmp_path):
    empty = look(draw_curves, replace(results, steps=[], epochs=[]), tmp_path / "empty.png")
    full = look(draw_curves, results, tmp_path / "full.png")
    blue = [int((picture == (0, 114, 178)).all(2).sum()) for picture in (empty, full)]
    assert blue[0] < blue[1] / 2  # the legends' own lines


def test_colour_images_are_drawn_in_colour(results, tmp_path):
    grey = np.zeros_like(results.pixels)
    red = np.concatenate([grey + 255, grey, grey], axis=1)
    draw_top_losses(tmp_path / "top_losses.png", replace(results, pixels=red), 3)
    with Image.open(tmp_path / "top_losses.png") as picture:
        assert (255, 0, 0) in [color for _, color in picture.convert("RGB").getcolors(1 << 20)]
