import numpy as np
import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.drawing.sample import (
    CROSSING,
    FLATNESS,
    curve_points,
    draw_captcha,
    draw_lines,
    draw_texts,
    face_path,
    write_samples,
)


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


def test_a_captcha_is_dark_text_on_a_gradient_from_dark_to_light():
    pixels = draw_captcha("bny23", np.random.default_rng(0))
    assert pixels.shape == (50, 200)
    assert pixels.dtype == np.uint8
    assert pixels.min() < 20
    assert pixels[:, 190:].mean() - pixels[:, :10].mean() > 40


def test_a_long_text_stays_inside_the_image():
    pixels = draw_captcha("m" * 12, np.random.default_rng(0))
    assert pixels[:, 185:].min() > 200


def test_pieces_of_a_curve_stay_near_it():
    """A polyline's middle points may leave the curve by the flatness only."""
    generator, again = np.random.default_rng(3), np.random.default_rng(3)
    points = np.array(curve_points(generator, CROSSING))
    heights = again.random(4) * 50
    t = np.linspace(0, 1, 2001)[:, None]
    control = np.stack([np.array(CROSSING) * 200, heights], 1)
    curve = sum(
        weight * control[i]
        for i, weight in enumerate(((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3))
    )
    middles = (points[1:] + points[:-1]) / 2
    gaps = np.linalg.norm(middles[:, None] - curve[None], axis=-1).min(1)
    assert gaps.max() <= FLATNESS


def test_lines_thin_out_from_piece_to_piece():
    ink = draw_lines([[(20, 25), (60, 25), (100, 25), (180, 25)]]) / 255
    widths = ink.sum(0)
    assert widths[40] == pytest.approx(3.6, abs=0.5)
    assert widths[80] == pytest.approx(2.7, abs=0.5)
    assert widths[150] == pytest.approx(1.8, abs=0.5)


def test_faces_come_with_an_installed_dependency():
    assert face_path("DejaVuSansMono-Bold").is_file()
