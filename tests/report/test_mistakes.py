from dataclasses import replace

import numpy as np
import pytest

from captcha_tagger.data.readings import Reading
from captcha_tagger.report.mistakes import (
    Confusion,
    Misreading,
    count_confusions,
    count_misreadings,
    find_doubtful_names,
    suggest_text,
    write_doubtful_names,
)
from tests.runs import load_run, write_run


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """Results whose every answer is right and sure."""
    results = load_run(write_run(tmp_path_factory.mktemp("run"), labels="abcd"))
    return replace(results, probs=np.where(results.targets, 0.98, 0.02).astype(np.float32))


def answer(results, position, **probs):
    """The results with other probs for some labels of one image."""
    changed = results.probs.copy()
    for label, prob in probs.items():
        changed[position, results.vocabulary.index(label)] = prob
    return replace(results, probs=changed)


def find_text(results, labels):
    """The position of an image with just these labels."""
    masks = [results.spell(row) for row in results.targets]
    return masks.index(labels)


def test_right_answers_are_neither_confusions_nor_doubts(right):
    assert count_confusions(right) == []
    assert find_doubtful_names(right) == []


def test_a_missed_label_is_confused_with_the_one_invented(right):
    position = find_text(right, "abc")
    wrong = answer(right, position, a=0.01, d=0.97)
    assert count_confusions(wrong) == [Confusion("a", "d", 1.0)]


def test_a_label_missed_for_nothing_is_counted_too(right):
    wrong = answer(right, find_text(right, "abc"), b=0.3)
    assert count_confusions(wrong) == [Confusion("b", "", 1.0)]


def test_an_image_spreads_each_missed_label_over_the_invented_ones(right):
    position = find_text(right, "ab")
    wrong = answer(right, position, a=0.1, c=0.9, d=0.9)
    assert count_confusions(wrong) == [Confusion("a", "c", 0.5), Confusion("a", "d", 0.5)]


def test_an_image_that_only_invents_counts_whole_for_each_label(right):
    """It counted as half an image for each of two labels."""
    wrong = answer(right, find_text(right, "ab"), c=0.9, d=0.9)
    assert count_confusions(wrong) == [Confusion("", "c", 1.0), Confusion("", "d", 1.0)]


def test_a_sure_disagreement_makes_a_name_doubtful(right, tmp_path):
    position = find_text(right, "abc")
    [name] = find_doubtful_names(answer(right, position, a=0.04, d=0.97))
    assert (name.position, name.missed, name.invented) == (position, "a", "d")
    assert name.sureness == pytest.approx(0.96)
    write_doubtful_names(tmp_path / "names.csv", answer(right, position, a=0.04, d=0.97))
    assert len((tmp_path / "names.csv").read_text().splitlines()) == 2


def test_a_label_that_the_model_often_misses_while_sure_makes_no_name_doubtful(right):
    wrong = right
    for position in np.flatnonzero(right.targets[:, 0])[:3].tolist():
        wrong = answer(wrong, position, a=0.02)
    assert len(count_confusions(wrong)) == 1
    assert find_doubtful_names(wrong) == []


def test_a_disagreement_in_doubt_says_nothing_about_the_name(right):
    position = find_text(right, "abc")
    assert find_doubtful_names(answer(right, position, a=0.04, d=0.6)) == []


def validation_rows(results):
    return [results.rows[row] for row in results.validation]


def read_as(results, **texts):
    """The results with these texts read instead of those there; every other text is right."""
    readings = [
        Reading(texts.get(row.text, row.text), 0.99, ((0, 1),) * 4)
        for row in validation_rows(results)
    ]
    return replace(results, readings=readings)


def test_misread_characters_are_counted_place_by_place(right):
    wrong = read_as(right, abcd="abca")
    assert count_misreadings(read_as(right)) == []
    assert count_misreadings(wrong) == [Misreading("d", "a", 1)]
    assert count_misreadings(right) == []


def test_a_surely_misread_text_makes_a_name_doubtful(right):
    """The label sets of `abcd` and `abdc` are equal."""
    [name] = find_doubtful_names(read_as(right, abcd="abdc"))
    assert (name.text, name.read, name.suggestion) == ("abcd", "abdc", "abdc")
    assert name.sureness == 0.99


def test_a_model_that_often_misreads_while_sure_makes_no_name_doubtful(right):
    texts = {row.text: "aaaa" for row in validation_rows(right)[:5]}
    assert find_doubtful_names(read_as(right, **texts)) == []


@pytest.mark.parametrize(
    ("text", "missed", "invented", "suggestion"),
    [
        ("abca", "b", "d", "adca"),
        ("abca", "a", "d", ""),
        ("abc", "ab", "d", ""),
        ("abc", "a", "", ""),
    ],
)
def test_only_an_unambiguous_text_is_suggested(text, missed, invented, suggestion):
    assert suggest_text(text, missed, invented) == suggestion
