from io import BytesIO

import pytest
from PIL import Image

from captcha_tagger.data.pixels import Shape
from captcha_tagger.ingest.shape import (
    FEWEST,
    choose_shape,
    find_widest_text,
    larger_shapes,
    look_at,
)
from captcha_tagger.params import load_params
from captcha_tagger.source.limits import Found
from tests.repository import PARAMS_FILE

AUTO = {"height": "auto", "width": "auto", "color": "auto"}
PARAMS = load_params(PARAMS_FILE).ingest.model_copy(update=AUTO)


def make_files(size, text, color=(90, 90, 90), number=9):
    image = Image.new("RGB", size, "white")
    image.paste(color, (2, 2, size[0] // 2, size[1] // 2))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return [Found(f"{text}_{n}.png", buffer.getvalue()) for n in range(number)]


def choose(files, params=PARAMS):
    return choose_shape(look_at(files, params), params)


@pytest.mark.parametrize(
    ("size", "text", "height", "width"),
    [
        ((200, 50), "bny23", 50, 200),  # the Kaggle set's
        ((58, 22), "1234", 55, 145),
        ((640, 360), "482913", 122, 217),
        ((400, 40), "abcd", 50, 384),  # wide for its text: as wide as is worth its time
        ((60, 60), "abcdef", 128, 128),  # high for its text
    ],
)
def test_characters_get_about_the_size_that_the_pretraining_drew(size, text, height, width):
    assert choose(make_files(size, text)) == Shape(1, height, width)


def test_what_params_give_stays():
    files = make_files((640, 360), "4829")
    for given in ({"height": 64}, {"width": 100}, {"height": 30, "width": 70, "color": "rgb"}):
        shape = choose(files, PARAMS.model_copy(update=given))
        assert shape.height == given.get("height", shape.height)
        assert shape.width == given.get("width", shape.width)
        assert shape.channels == (3 if "color" in given else 1)
    assert choose(files, PARAMS.model_copy(update={"height": 64})).width == 114


def test_colour_is_kept_where_there_is_any():
    assert choose(make_files((200, 50), "abcd", "red")).channels == 3
    faint = (120, 128, 132)  # what JPEG may leave on grey
    assert choose(make_files((200, 50), "abcd", faint)).channels == 1


def test_a_text_that_makes_all_images_wider_is_found():
    files = make_files((200, 50), "bny23") + make_files((200, 50), "a" * 32, number=1)
    sights = look_at(files, PARAMS)
    shape = choose_shape(sights, PARAMS)
    assert (shape.width, find_widest_text(shape, sights, PARAMS)) == (512, 32)
    given = PARAMS.model_copy(update={"width": 512})
    assert find_widest_text(choose_shape(sights, given), sights, given) is None
    usual = look_at(make_files((200, 50), "bny23") + make_files((200, 50), "bny234"), PARAMS)
    assert find_widest_text(choose_shape(usual, PARAMS), usual, PARAMS) is None


def test_mixed_sizes_get_the_shape_of_most():
    files = make_files((200, 50), "bny23") + make_files((50, 200), "bny23", number=3)
    assert choose(files) == Shape(1, 50, 200)


def test_files_that_ingest_will_reject_do_not_count():
    files = make_files((200, 50), "bny23", number=1)
    bad = [Found("aaaaa.png", b"no image"), Found("a.txt", refusal="not named as an image")]
    assert choose([*bad, *files]) == Shape(1, 50, 200)
    assert choose(bad).height >= 50


@pytest.mark.parametrize(
    ("size", "heights"),
    [
        ((200, 50), []),  # no larger than it is kept
        ((300, 100), [75, 100]),  # up to its own size
        ((640, 360), [122, 162, 216]),  # as wide as is worth its time
    ],
)
def test_what_is_kept_smaller_than_it_came_may_be_kept_larger(size, heights):
    sights = look_at(make_files(size, "abcd", number=FEWEST), PARAMS)
    shape = choose_shape(sights, PARAMS)
    larger = larger_shapes(shape, sights, PARAMS)
    assert [one.height for one in larger] == heights
    aspect = shape.width / shape.height
    assert all(one.width / one.height == pytest.approx(aspect, rel=0.02) for one in larger)
    given = PARAMS.model_copy(update={"height": shape.height})
    assert larger_shapes(shape, sights, given) == []
    assert larger_shapes(shape, sights[1:], PARAMS) == []  # too few to say anything
