import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.drawing.sample import draw_texts, write_samples


def test_same_seed_gives_same_bytes(tmp_path):
    for folder in ("a", "b"):
        write_samples(tmp_path / folder, images=20, characters="23xy", length=5, seed=7)
    a, b = (sorted((tmp_path / folder).iterdir()) for folder in ("a", "b"))
    assert [file.name for file in a] == [file.name for file in b]
    assert [file.read_bytes() for file in a] == [file.read_bytes() for file in b]


def test_another_seed_gives_other_texts():
    assert set(draw_texts(50, "2345678", 5, seed=0)) != set(draw_texts(50, "2345678", 5, seed=1))


def test_texts_are_distinct_and_keep_to_the_vocabulary():
    texts = draw_texts(300, "abc23", 4, seed=0)
    assert len(set(texts)) == 300
    assert {len(text) for text in texts} == {4}
    assert set("".join(texts)) == set("abc23")


def test_characters_repeat_within_a_text():
    texts = draw_texts(100, "2345678bcdefgmnpwxy", 5, seed=0)
    assert 20 < sum(len(set(text)) < 5 for text in texts) < 80


def test_every_text_can_be_drawn_when_all_are_wanted():
    assert sorted(draw_texts(4, "ab", 2, seed=0)) == ["aa", "ab", "ba", "bb"]


def test_more_images_than_texts_are_refused():
    with pytest.raises(InputError, match="only 4 distinct texts"):
        draw_texts(5, "ab", 2, seed=0)


@pytest.mark.parametrize("characters", ["ab/", "ab ", "abü"])
def test_characters_that_no_file_name_or_label_can_hold_are_refused(characters):
    with pytest.raises(InputError, match=r"sample\.characters"):
        draw_texts(5, characters, 3, seed=0)
