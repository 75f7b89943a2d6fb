import json
import os
import pickle
from functools import partial
from pathlib import Path

import pytest
import torch

from captcha_tagger.base.errors import InputError
from captcha_tagger.network.card import CARD, WEIGHTS
from captcha_tagger.network.model_folder import load_model, save_model
from tests.conftest import make_tagger


@pytest.mark.parametrize("head", ["ctc", "noisy_or", "concat"])
def test_a_loaded_model_gives_the_same_logits(tmp_path: Path, head: str) -> None:
    model = make_tagger(head)
    model.set_threshold(0.3)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    pixels = torch.randint(0, 256, (2, 1, 24, 48), dtype=torch.uint8)
    assert torch.equal(model(pixels), loaded(pixels))
    assert loaded.card == model.card


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    save_model(make_tagger(), tmp_path / "a")
    save_model(make_tagger(), tmp_path / "b")
    for name in (WEIGHTS, CARD):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return Path("exploded").touch, ()


def test_pickled_code_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(make_tagger(), tmp_path / "model")
    (tmp_path / "model" / WEIGHTS).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="damaged model"):
        load_model(tmp_path / "model")
    assert not Path("exploded").exists()


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("height", 10**6, "height: Input should be less"),
        ("width", 10**6, "width: Input should be less"),
        ("height", 0, "height: Input should be greater"),
        ("vocabulary", ["a", "b", "c", "a"], "vocabulary: each label must be one character"),
        ("vocabulary", ["a", "b", "c", "de"], "vocabulary: each label must be one character"),
        ("vocabulary", ["a", "b", "c", ""], "vocabulary: each label must be one character"),
        ("vocabulary", [], "vocabulary: List should have at least 1"),
        ("vocabulary", ["a"], "do not fit"),
        ("threshold", float("nan"), "threshold: Input should be"),
        ("threshold", 1.0, "threshold: Input should be"),
        ("channels", 2, "channels: Input should be"),
        ("channels", 3, "do not fit"),
        ("head", "pickle", "head: Input should be"),
        ("code", "rm -rf", "code: Extra inputs"),
    ],
)
def test_a_tampered_card_is_refused(tmp_path: Path, key: str, value: object, reason: str) -> None:
    """One asked for gigabytes, or gave one prob for six labels."""
    save_model(make_tagger(), tmp_path / "model")
    path = tmp_path / "model" / CARD
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(InputError) as caught:
        load_model(tmp_path / "model")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b"1e999"])
def test_a_card_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    save_model(make_tagger(), tmp_path / "model")
    (tmp_path / "model" / CARD).write_bytes(content)
    with pytest.raises(InputError, match=r"damaged"):
        load_model(tmp_path / "model")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    """predict said nothing and printed NaN, which is no JSON."""
    model = make_tagger()
    with torch.no_grad():
        next(iter(model.parameters())).view(-1)[0] = float("nan")
    save_model(model, tmp_path / "model")
    with pytest.raises(InputError, match="not all of its weights are numbers"):
        load_model(tmp_path / "model")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [CARD, WEIGHTS])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nowhere", "nothing"])
def test_a_model_without_a_file_is_said_without_waiting(
    tmp_path: Path, name: str, kind: str, request: pytest.FixtureRequest
) -> None:
    save_model(make_tagger(), tmp_path / "model")
    path = tmp_path / "model" / name
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
            # Without a writer, opening it would wait in C, where no timeout ends it.
            request.addfinalizer(partial(os.close, os.open(path, os.O_RDWR)))
        case "folder":
            path.mkdir()
        case "link to nowhere":
            path.symlink_to("nowhere")
    with pytest.raises(InputError, match=f"no model here, {name} is missing"):
        load_model(tmp_path / "model")


def test_what_is_no_model_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no model here, model\.json is missing"):
        load_model(tmp_path)
    save_model(make_tagger(), tmp_path / "model")
    card = tmp_path / "model" / CARD
    card.write_text(card.read_text().replace('"d"', '"d", "e"'))
    with pytest.raises(InputError, match=r"do not fit model\.json"):
        load_model(tmp_path / "model")
    card.write_text(card.read_text().replace('"head"', '"haed"'))
    with pytest.raises(InputError, match=r"model\.json: head: .*train the model again"):
        load_model(tmp_path / "model")
