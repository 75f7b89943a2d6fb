import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.labels import encode_texts, label_set, make_vocabulary, read_text
from captcha_tagger.params import load_params
from tests.repository import PARAMS_FILE

PATTERN = load_params(PARAMS_FILE).ingest.name_pattern


@pytest.mark.parametrize(
    "name", ["abc12.png", "abc12_1.png", "abc12-0.png", "abc12.1.png", "deep/er/abc12.jpeg"]
)
def test_a_copy_number_is_no_part_of_the_text(name):
    assert read_text(name, pattern=PATTERN, case="keep") == "abc12"


@pytest.mark.parametrize(("case", "text"), [("keep", "aB"), ("lower", "ab"), ("upper", "AB")])
def test_case_is_kept_or_folded(case, text):
    assert read_text("aB.png", pattern=PATTERN, case=case) == text


@pytest.mark.parametrize("case", ["keep", "lower", "upper"])
def test_unicode_forms_of_a_name_give_one_text(case):
    name = "é1İ.png"
    forms = {
        read_text(unicodedata.normalize(form, name), pattern=PATTERN, case=case)
        for form in ("NFC", "NFD")
    }
    assert len(forms) == 1


@pytest.mark.parametrize("stem", ["a b", " ", "a\u202eb", "a\u200bb", "ab\u00a0", "a\nb"])
def test_blank_and_invisible_characters_are_refused(stem):
    with pytest.raises(InputError, match="blank or an invisible"):
        read_text(f"{stem}.png", pattern="(?s:(?P<text>.*))", case="keep")


def test_a_text_too_long_for_any_image_is_refused():
    assert read_text(f"{'a' * 256}.png", pattern=PATTERN, case="keep") == "a" * 256
    with pytest.raises(InputError, match="257 characters, more than 256"):
        read_text(f"{'a' * 257}.png", pattern=PATTERN, case="keep")


def test_the_whole_stem_must_match():
    with pytest.raises(InputError, match="name_pattern"):
        read_text("abc12.png", pattern=r"(?P<text>[a-z]+)", case="keep")


def test_an_optional_group_that_is_absent_is_an_empty_text():
    with pytest.raises(InputError, match="empty text"):
        read_text("12.png", pattern=r"(?P<text>[a-z]+)?\d+", case="keep")


def test_a_foreign_character_is_named():
    with pytest.raises(InputError, match="'z' is not in the vocabulary"):
        encode_texts(["az"], ["a"])


@given(st.lists(st.text(min_size=1), min_size=1))
def test_targets_say_exactly_which_labels_a_text_has(texts):
    vocabulary = make_vocabulary(texts)
    targets = encode_texts(texts, vocabulary)
    assert vocabulary == sorted(set("".join(texts)))
    assert targets.dtype == np.float32
    for text, row in zip(texts, targets, strict=True):
        assert {label for label, value in zip(vocabulary, row, strict=True) if value == 1} == (
            label_set(text)
        )
        assert row.sum() == len(label_set(text))


@given(st.text())
def test_any_name_is_read_or_refused(name):
    try:
        text = read_text(name, pattern=PATTERN, case="lower")
    except InputError:
        return
    assert text
    assert text.isprintable()
    assert text == unicodedata.normalize("NFC", text)
