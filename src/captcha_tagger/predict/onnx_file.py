"""The model as one ONNX file, for programs without torch or this package.

A model folder -> a file that takes uint8 pixels (batch, channels, height, width) of the model's
shape, normalises them itself, and gives `probs` (batch, labels) and, of a head that reads,
`log_probs` (batch, columns, labels + 1), the blank last. Its metadata hold model.json.
"""

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import atomic_file
from captcha_tagger.network.card import CARD
from captcha_tagger.network.model_folder import load_model
from captcha_tagger.network.tagger import Tagger

NEEDED = ("onnx", "onnxscript")  # by torch's exporter


class _Answers(nn.Module):
    """What the file computes: probs, and log probs where the model reads."""

    def __init__(self, model: Tagger) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        logits, log_probs = self.model.answer(pixels)
        probs = torch.sigmoid(logits)
        return (probs,) if log_probs is None else (probs, log_probs)


def write_onnx(folder: Path, path: Path) -> None:
    """Export the model in a folder; InputError when there is none or a package is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"ONNX files need {' and '.join(missing)}; pip install {' '.join(NEEDED)}")
    model = load_model(folder)
    card = model.card
    shape = (2, *card.shape)  # of one image the batch would be frozen
    with atomic_file(path) as beside:  # says that it cannot be written before the work is done
        program = torch.onnx.export(
            _Answers(model).eval(),
            (torch.zeros(shape, dtype=torch.uint8),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["pixels"],
            output_names=["probs", "log_probs"] if card.head == "ctc" else ["probs"],
            verbose=False,
        )
        assert program is not None
        program.model.metadata_props[CARD] = card.model_dump_json()
        program.save(beside, external_data=False)
