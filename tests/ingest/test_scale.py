import numpy as np
import pytest
from PIL import Image

from captcha_tagger.data.pixels import open_pixels
from captcha_tagger.drawing.sample import write_samples
from captcha_tagger.ingest.ingest import ingest
from captcha_tagger.params import load_params
from tests.repository import PARAMS_FILE

AUTO = {"height": "auto", "width": "auto", "color": "auto"}
PARAMS = load_params(PARAMS_FILE).ingest.model_copy(update=AUTO)
CANVAS = (600, 150)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_samples(folder / "samples", 30, "bcde2345", 5, seed=1)
    return folder / "samples"


def place(drawn, folder, size, letters=""):
    """The drawn captchas at another size, in the middle of larger images, and some characters of
    their names replaced."""
    folder.mkdir()
    for path in drawn.iterdir():
        image = Image.open(path).resize(size)
        canvas = Image.new("L", CANVAS, int(np.median(np.asarray(image))))
        canvas.paste(image, ((CANVAS[0] - size[0]) // 2, (CANVAS[1] - size[1]) // 2))
        canvas.save(folder / path.name.translate(str.maketrans("bcde", letters or "bcde")))
    return folder


def kept(source, folder):
    folder.mkdir()
    ingest(source, PARAMS, folder)
    return open_pixels(folder / "pixels.npy").shape[2:]


def test_small_characters_are_kept_as_large_as_the_backbone_reads_them(drawn, tmp_path, capsys):
    source = place(drawn, tmp_path / "small", (200, 50))
    assert kept(source, tmp_path / "out") == (96, 384)
    assert "at 384x96 pixels" in capsys.readouterr().out


def test_large_characters_are_not_kept_any_larger(drawn, tmp_path):
    assert kept(place(drawn, tmp_path / "large", CANVAS), tmp_path / "out") == (50, 200)


@pytest.mark.parametrize("deviation", [2, 60])
def test_where_nothing_can_be_read_the_distance_decides(drawn, tmp_path, deviation):
    """In larger images the backbone is less sure, and so less wrong."""
    generator = np.random.default_rng(0)
    (tmp_path / "blank").mkdir()
    for path in drawn.iterdir():
        pixels = generator.normal(150, deviation, CANVAS[::-1]).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "blank" / path.name)
    assert kept(tmp_path / "blank", tmp_path / "out") == (50, 200)


def test_of_characters_that_the_backbone_never_saw_the_distance_decides(drawn, tmp_path):
    source = place(drawn, tmp_path / "strange", (200, 50), letters="бвгд")
    assert kept(source, tmp_path / "out") == (50, 200)


def test_an_image_that_is_damaged_says_nothing(drawn, tmp_path):
    source = place(drawn, tmp_path / "small", (200, 50))
    (source / "abcde.png").write_bytes(b"no image")
    assert kept(source, tmp_path / "out") == (96, 384)
