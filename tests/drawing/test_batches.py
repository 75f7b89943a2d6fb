import string

import numpy as np
import pytest
import torch

from captcha_tagger.drawing.batches import DrawnBatch, draw_batch
from captcha_tagger.drawing.faces import matplotlib_faces
from captcha_tagger.drawing.texts import VOCABULARY

FACES = matplotlib_faces()
SEED = 3


def draw(size: int, step: int, seed: int = SEED) -> DrawnBatch:
    return draw_batch(size, seed, step, FACES)


@pytest.fixture(scope="module")
def batches() -> list[DrawnBatch]:
    return [draw(32, step) for step in range(8)]


def test_a_batch_has_one_size_and_batches_differ_in_it(batches: list[DrawnBatch]) -> None:
    for batch in batches:
        assert batch.pixels.shape[:2] == (32, 3)
        assert batch.pixels.dtype == torch.uint8
    sizes = {tuple(batch.pixels.shape[2:]) for batch in batches}
    assert (50, 200) in sizes
    assert len(sizes) > 2


def test_seed_and_step_alone_decide_a_batch() -> None:
    """So a training that resumes at any step sees what it would have seen."""
    draw(4, step=6)
    first, again = draw(4, step=7), draw(4, step=7)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(("seed", "step"), [(SEED, 8), (4, 7)])
def test_no_batch_comes_twice(seed: int, step: int) -> None:
    one, other = draw(4, step=7), draw(4, step, seed)
    assert not any(torch.equal(a, b) for a in one.pixels for b in other.pixels)


def test_global_generators_are_left_alone() -> None:
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    draw(2, step=0)
    assert np.array_equal(numpy_before, np.random.get_state()[1])
    assert torch.equal(torch_before, torch.get_rng_state())


def test_texts_keep_to_their_alphabets_and_have_columns_enough(batches: list[DrawnBatch]) -> None:
    for batch in batches:
        for labels, alphabet in zip(batch.texts, batch.alphabets, strict=True):
            text = labels[labels >= 0]
            assert alphabet[text].all()
            assert 2 * len(text) <= batch.pixels.shape[3] / 8


def test_characters_stand_in_reading_order_inside_the_image(batches: list[DrawnBatch]) -> None:
    inside = []
    for batch in batches:
        for labels, centres in zip(batch.texts, batch.centres, strict=True):
            places = centres[labels >= 0]
            assert (places.diff() >= 0).all()
            inside += ((places >= 0) & (places < batch.pixels.shape[3])).tolist()
    assert np.mean(inside) > 0.98


def test_ink_stands_where_the_characters_are_said_to_be() -> None:
    """A pretraining that is told wrong places learns nothing from them."""
    contrasts = []
    for step in range(6):
        batch = draw(32, step)
        darkness = (
            batch.pixels.float().mean(1) - batch.pixels.float().mean((1, 2, 3))[:, None, None]
        )
        columns = darkness.abs().mean(1)  # (batch, width)
        for row, labels, centres in zip(columns, batch.texts, batch.centres, strict=True):
            places = centres[labels >= 0].round().long().clamp(4, len(row) - 5)
            at = torch.stack([row[place - 4 : place + 5].mean() for place in places]).mean()
            contrasts.append(float(at / row.mean()))
    assert np.median(contrasts) > 1.15


def test_digits_letters_of_one_case_and_of_both_are_drawn(batches: list[DrawnBatch]) -> None:
    alphabets = torch.cat([batch.alphabets for batch in batches])
    digits, upper, lower = (
        alphabets[:, [label in kind for label in VOCABULARY]].any(1)
        for kind in (string.digits, string.ascii_uppercase, string.ascii_lowercase)
    )
    assert 0.1 < (digits & ~upper & ~lower).float().mean() < 0.3
    assert 0.05 < (upper & lower).float().mean() < 0.3
    assert 0.5 < (upper ^ lower).float().mean() < 0.8


def test_looks_differ_in_light_and_colour_and_all_show_something(batches: list[DrawnBatch]) -> None:
    for batch in batches:
        pixels = batch.pixels.float()
        assert pixels.std((1, 2, 3)).min() > 1
    pixels = torch.cat([batch.pixels.float().mean((2, 3)) for batch in batches])
    coloured = (pixels.max(1).values - pixels.min(1).values) > 5
    assert 0.2 < coloured.float().mean() < 0.8
    assert (pixels.mean(1) < 90).any()
    assert (pixels.mean(1) > 200).any()
