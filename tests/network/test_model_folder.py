import pickle
from pathlib import Path

import pytest
import torch

from captcha_tagger.base.errors import InputError
from captcha_tagger.network.model_folder import CARD, WEIGHTS, load_model, save_model
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
