"""The model outside of torch: what ONNX Runtime answers is what the model answers."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from captcha_tagger.base.errors import InputError
from captcha_tagger.commands.cli import main
from captcha_tagger.drawing.sample import write_samples
from captcha_tagger.network.card import CARD, ModelCard
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.network.tagger import Tagger
from captcha_tagger.predict.onnx_file import NEEDED, write_onnx
from captcha_tagger.predict.predictor import Predictor
from tests.conftest import make_card, make_tagger

TOLERANCE = 1e-4


def make_experienced(head: str) -> Tagger:
    """A tagger whose BatchNorms have seen images, as those of a trained one have."""
    torch.manual_seed(0)
    card = make_card(head).model_copy(update={"height": 50, "width": 200})
    model = Tagger(card).train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randint(0, 256, (8, 1, 50, 200)))
    return model.eval()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's exporter's own
@pytest.mark.parametrize("head", ["ctc", "noisy_or", "concat"])
def test_onnx_runtime_answers_as_the_model_does(tmp_path: Path, head: str) -> None:
    for name in (*NEEDED, "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    import onnxruntime

    model = make_experienced(head)
    save_model(model, tmp_path / "model")
    with pytest.raises(SystemExit) as end:
        main(["export", "--model", str(tmp_path / "model"), str(tmp_path / "model.onnx")])
    assert end.value.code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"model", "model.onnx"}
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    assert ModelCard.model_validate_json(metadata[CARD]) == model.card

    write_samples(tmp_path / "drawn", images=20, characters="abcd", length=4, seed=0)
    predictor = Predictor(tmp_path / "model")
    files = sorted((tmp_path / "drawn").iterdir())
    pixels = np.stack([*predictor.decode(file.read_bytes() for file in files)])
    with torch.no_grad():
        answer = model.answer(torch.from_numpy(pixels))
    for batch in (slice(0, 1), slice(1, 20)):
        probs, *log_probs = session.run(None, {"pixels": pixels[batch]})
        np.testing.assert_allclose(probs, torch.sigmoid(answer.logits[batch]), atol=TOLERANCE)
        assert bool(log_probs) == (answer.log_probs is not None)
        if answer.log_probs is not None:
            np.testing.assert_allclose(log_probs[0], answer.log_probs[batch], atol=TOLERANCE)


def test_a_missing_package_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(make_tagger(), tmp_path / "model")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="need onnx and onnxscript; pip install onnx onnxscript"):
        write_onnx(tmp_path / "model", tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
