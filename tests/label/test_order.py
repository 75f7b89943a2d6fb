import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from captcha_tagger.label.order import order_images


def directions(*angles: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], np.float32)


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_every_image_without_a_label_comes_once(images: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    labelled = generator.random(images) < 0.3
    features = generator.normal(size=(images, 3)).astype(np.float32)
    presence = generator.random((images, 4), np.float32)
    order = order_images(features, presence, generator.random(images), labelled)
    assert sorted(order) == np.flatnonzero(~labelled).tolist()


def test_of_images_that_differ_the_least_sure_comes_first() -> None:
    confidences = np.array([0.9, 0.1, 0.5])
    order = order_images(directions(0, 2.1, 4.2), np.eye(3), confidences, np.zeros(3, bool))
    assert order == [1, 2, 0]


def test_a_double_of_a_doubtful_image_comes_late() -> None:
    confidences = np.array([0.1, 0.1, 0.6, 0.6])
    order = order_images(directions(0, 0, 2.1, 4.2), np.eye(4), confidences, np.zeros(4, bool))
    assert order[0] == 0
    assert order[-1] == 1


def test_a_double_of_a_labelled_image_comes_late() -> None:
    labelled = np.array([True, False, False, False])
    confidences = np.array([0.9, 0.1, 0.6, 0.6])
    order = order_images(directions(0, 0, 2.1, 4.2), np.eye(4), confidences, labelled)
    assert order[-1] == 1


def test_a_label_that_is_read_with_ease_is_not_left_out() -> None:
    """Nobody typed it, so the next model did not know it, and had every image with it wrong."""
    presence = np.array([[1, 0]] * 5 + [[0, 1]])
    confidences = np.array([0.5] * 5 + [0.95])
    angles = np.linspace(0, 5, 6).tolist()
    order = order_images(directions(*angles), presence, confidences, np.zeros(6, bool))
    assert order.index(5) < 5
