"""What is read in images that nobody has labelled."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captcha_tagger.base.errors import InputError
from captcha_tagger.drawing.sample import write_samples
from captcha_tagger.ingest.ingest import limits_of
from captcha_tagger.label.candidates import look_at
from captcha_tagger.label.choice import choose_backbone, is_made_from
from captcha_tagger.label.reader import Reader
from captcha_tagger.source.source import open_source
from tests.conftest import make_arrays, make_tagger
from tests.hostile import fill_folder
from tests.label.sitting import PARAMS, patient_process


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(make_tagger(), "keep")


def test_the_shipped_backbone_reads_without_a_label(tmp_path: Path) -> None:
    """Its head did not fit where `ingest.height` was below 50."""
    write_samples(tmp_path / "in", 12, "2345678bcdefgmnpwxy", 5, seed=1)
    low = PARAMS.model_copy(update={"height": 32, "width": 96})
    with open_source(tmp_path / "in", limits_of(PARAMS)) as source, patient_process() as process:
        reader = choose_backbone(source, low, process)
        assert (reader.shape.height, reader.shape.width) == (50, 200)
        candidates = look_at(source, process, reader)
    texts = [Path(file).stem for file in candidates.files]
    readings = reader.read(candidates.seen.log_probs, texts)
    assert sum(one.text == text for one, text in zip(readings, texts, strict=True)) >= 10


def test_small_characters_are_read_in_larger_images(tmp_path: Path) -> None:
    """By their distance they came out too small, and nothing was proposed."""
    write_samples(tmp_path / "drawn", 24, "2345678bcdefgmnpwxy", 5, seed=1)
    (tmp_path / "in").mkdir()
    for path in (tmp_path / "drawn").iterdir():
        canvas = Image.new("L", (600, 150), 235)
        canvas.paste(Image.open(path), (200, 50))
        canvas.save(tmp_path / "in" / path.name)
    with open_source(tmp_path / "in", limits_of(PARAMS)) as source, patient_process() as process:
        reader = choose_backbone(source, PARAMS, process)
    assert reader.shape.height > 90


def test_labels_that_case_makes_one_share_their_probs() -> None:
    model = make_tagger()
    model.card = model.card.model_copy(update={"vocabulary": ["A", "B", "a", "c"]})
    pixels, _ = make_arrays(2)
    kept = np.exp(Reader(model, "keep").look(pixels).log_probs)
    lower = Reader(model, "lower")
    assert lower.vocabulary == ["a", "b", "c"]
    found = np.exp(lower.look(pixels).log_probs)
    expected = np.stack([kept[..., 0] + kept[..., 2], *(kept[..., k] for k in (1, 3, 4))], -1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_characters_that_were_typed_are_likelier_than_their_doubles(reader: Reader) -> None:
    probs = np.full((1, 6, 5), 1e-6)
    probs[..., 4] = 0.98  # the blank
    probs[0, 2] = [0.4, 0.5, 1e-6, 1e-6, 0.1]
    log_probs = np.log(probs).astype(np.float32)
    assert [reader.read(log_probs, known)[0].text for known in ([], ["ad", "ac"])] == ["b", "a"]


def test_what_is_certain_outweighs_what_was_typed(reader: Reader) -> None:
    probs = np.full((1, 6, 5), 1e-6)
    probs[..., 4] = 0.98
    probs[0, 2] = [1e-4, 0.999, 1e-6, 1e-6, 1e-4]
    log_probs = np.log(probs).astype(np.float32)
    assert reader.read(log_probs, ["aaaa"] * 5)[0].text == "b"


def test_a_model_that_reads_no_texts_proposes_none() -> None:
    with pytest.raises(InputError, match="reads no texts"):
        Reader(make_tagger("noisy_or"), "keep")


def test_a_model_of_another_set_is_known_by_its_manifest(tmp_path: Path) -> None:
    row = '{"file": "%s", "text": "a", "pixels": "0", "width": 1, "height": 1}\n'
    manifest = tmp_path / "manifest.jsonl"
    folder = fill_folder(tmp_path / "in", ["a", "b"])
    with open_source(folder, limits_of(PARAMS)) as source:
        assert not is_made_from(manifest, source)
        manifest.write_text(row % "a.png")
        assert is_made_from(manifest, source)
        manifest.write_text(row % "a.png" + row % "2x3y4.png")
        assert not is_made_from(manifest, source)
