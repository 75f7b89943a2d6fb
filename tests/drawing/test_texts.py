import string

import numpy as np

from captcha_tagger.drawing.texts import VOCABULARY, draw_text


def draw_many(number=400):
    generator = np.random.default_rng(0)
    return [draw_text(generator, 3, 8) for _ in range(number)]


def test_the_vocabulary_is_digits_and_letters_of_both_cases():
    assert sorted(string.digits + string.ascii_letters) == VOCABULARY


def test_a_text_names_what_it_shows_or_the_same_in_another_case():
    """Many looks are drawn in one case and named in another."""
    same = []
    for text in draw_many():
        named = "".join(VOCABULARY[label] for label in text.labels)
        assert named.lower() == text.shown.lower()
        same.append(named == text.shown)
    assert 0.75 < np.mean(same) < 0.95


def test_a_look_with_both_cases_is_named_as_it_is_drawn():
    for text in draw_many():
        letters = {VOCABULARY[label] for label in np.flatnonzero(text.alphabet)}
        if letters & set(string.ascii_lowercase) and letters & set(string.ascii_uppercase):
            assert "".join(VOCABULARY[label] for label in text.labels) == text.shown


def test_lengths_keep_to_their_bounds():
    generator = np.random.default_rng(0)
    assert {len(draw_text(generator, 5, 5).labels) for _ in range(20)} == {5}
    assert {len(text.labels) for text in draw_many()} == {3, 4, 5, 6, 7, 8}
