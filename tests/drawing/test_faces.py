import numpy as np
import pytest

from captcha_tagger.drawing.faces import draw_glyph, matplotlib_faces, next_size
from captcha_tagger.drawing.texts import VOCABULARY


@pytest.mark.parametrize("face", matplotlib_faces(), ids=lambda face: face.stem)
def test_every_face_has_ink_for_every_character(face):
    assert all(min(draw_glyph(face, label, 20, "plain").size) > 0 for label in VOCABULARY)


def test_styles_have_more_or_less_ink():
    face = matplotlib_faces()[0]
    ink = {
        style: np.asarray(draw_glyph(face, "B", 56, style), int).sum()
        for style in ("plain", "bold", "thin", "outline")
    }
    assert ink["thin"] < ink["plain"] < ink["bold"]
    assert ink["outline"] < ink["plain"]


def test_characters_are_scaled_down_from_the_next_size():
    assert [next_size(pixels) for pixels in (3, 20, 21, 56, 90)] == [20, 20, 28, 56, 80]
