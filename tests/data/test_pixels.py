from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captcha_tagger.base.errors import InputError
from captcha_tagger.data import pixels as module
from captcha_tagger.data.pixels import PixelWriter, Shape, open_pixels


def write(path, images, dropped=()):
    with PixelWriter(path, Shape(1, 2, 3)) as writer:
        writer.append(images[:1])
        writer.append(images[1:])
        writer.drop(dropped)


def make_images(count):
    return np.arange(count * 6).astype(np.uint8).reshape(count, 1, 2, 3)


@pytest.mark.parametrize("count", [1, 12, 12_345])
def test_a_streamed_array_is_the_array(tmp_path, count):
    images = make_images(count)
    write(tmp_path / "a.npy", images)
    found = open_pixels(tmp_path / "a.npy")
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, images)


@given(st.sets(st.integers(0, 19)))
def test_dropped_rows_close_up(tmp_path_factory, dropped):
    path = tmp_path_factory.mktemp("pixels") / "a.npy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", 24)  # four images a block
        write(path, make_images(20), sorted(dropped))
    expected = np.delete(make_images(20), sorted(dropped), axis=0)
    assert np.array_equal(open_pixels(path), expected)


@pytest.mark.parametrize("content", [b"", b"text", np.zeros(3)])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "a.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(InputError, match="run ingest again"):
        open_pixels(path)


def test_pickled_objects_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Bomb:
        def __reduce__(self):
            return Path("exploded").touch, ()

    np.save(tmp_path / "a.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a readable pixel array"):
        open_pixels(tmp_path / "a.npy")
    assert not Path("exploded").exists()
