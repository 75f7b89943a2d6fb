import string

import numpy as np
import pytest
import torch

from captcha_tagger.drawing.batches import VOCABULARY, Drawn, draw_batch


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return draw_batch(192, seed=0, step=0)


def test_the_vocabulary_is_digits_and_letters_of_both_cases():
    assert set(VOCABULARY) == set(string.digits + string.ascii_letters)
    assert sorted(VOCABULARY) == VOCABULARY


def test_shapes_and_types(drawn):
    assert drawn.pixels.shape == (192, 1, 50, 200)
    assert drawn.pixels.dtype == torch.uint8
    assert drawn.targets.shape == drawn.scored.shape == (192, 62)
    assert drawn.targets.dtype == torch.float32
    assert drawn.scored.dtype == torch.bool


def test_seed_and_step_alone_decide_a_batch():
    """So a training that resumes at any step sees what it would have seen."""
    draw_batch(4, seed=3, step=6)
    first, again = draw_batch(4, seed=3, step=7), draw_batch(4, seed=3, step=7)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(("seed", "step"), [(3, 8), (4, 7)])
def test_no_batch_comes_twice(seed, step):
    one, other = draw_batch(4, seed=3, step=7), draw_batch(4, seed=seed, step=step)
    assert not any(torch.equal(a, b) for a in one.pixels for b in other.pixels)


def test_global_generators_are_left_alone():
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    draw_batch(2, seed=0, step=0)
    assert np.array_equal(numpy_before, np.random.get_state()[1])
    assert torch.equal(torch_before, torch.get_rng_state())


def test_labels_outside_an_alphabet_are_never_its_targets(drawn):
    assert not (drawn.targets.bool() & ~drawn.scored).any()
    assert drawn.targets.sum(1).min() >= 1


def test_every_label_is_drawn_and_scored_without_being_drawn(drawn):
    assert drawn.targets.any(0).all()
    assert (drawn.scored & ~drawn.targets.bool()).any(0).all()


def test_most_alphabets_have_letters_of_one_case(drawn):
    upper, lower = (
        drawn.scored[:, [label in kind for label in VOCABULARY]].any(1)
        for kind in (string.ascii_uppercase, string.ascii_lowercase)
    )
    assert (upper & lower).float().mean() < 0.2
    assert (upper ^ lower).float().mean() > 0.7


def test_lengths_and_repetitions_vary(drawn):
    labels = drawn.targets.sum(1)
    assert labels.min() <= 3
    assert labels.max() >= 6


def test_images_differ_in_light_and_all_show_something(drawn):
    pixels = drawn.pixels.float()
    assert pixels.std((1, 2, 3)).min() > 4
    assert (pixels.median(-1).values.median(-1).values < 100).any()  # light text on dark
    assert (pixels.median(-1).values.median(-1).values > 200).any()
