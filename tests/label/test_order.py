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
    order = order_images(features, generator.random(images), labelled)
    assert sorted(order) == np.flatnonzero(~labelled).tolist()


def test_of_images_that_differ_the_least_sure_comes_first() -> None:
    order = order_images(directions(0, 2.1, 4.2), np.array([0.9, 0.1, 0.5]), np.zeros(3, bool))
    assert order == [1, 2, 0]


def test_a_double_of_a_doubtful_image_comes_late() -> None:
    confidences = np.array([0.1, 0.1, 0.6, 0.6])
    order = order_images(directions(0, 0, 2.1, 4.2), confidences, np.zeros(4, bool))
    assert order[0] == 0
    assert order[-1] == 1


def test_a_double_of_a_labelled_image_comes_late() -> None:
    labelled = np.array([True, False, False, False])
    order = order_images(directions(0, 0, 2.1, 4.2), np.array([0.9, 0.1, 0.6, 0.6]), labelled)
    assert order[-1] == 1
