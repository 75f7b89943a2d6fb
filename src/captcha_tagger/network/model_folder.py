"""Model folders: weights.safetensors and model.json, all that inference needs, no pickled code."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import atomic_folder, write_json
from captcha_tagger.network.card import CARD, WEIGHTS, damaged, load_card
from captcha_tagger.network.tagger import Tagger


def save_model(model: Tagger, folder: Path) -> None:
    with atomic_folder(folder) as beside:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in _state(model)}
        (beside / WEIGHTS).write_bytes(save(weights))  # save_file hides why a disk refused
        write_json(beside / CARD, model.card.model_dump())


def load_model(folder: Path, device: torch.device | str = "cpu") -> Tagger:
    """Rebuild the Tagger of a model folder, in eval mode; InputError when it is not one."""
    card = load_card(folder)
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"{folder}: no model here, {WEIGHTS} is missing")
    try:
        weights = load_file(folder / WEIGHTS)
    except (SafetensorError, ValueError) as error:
        raise damaged(folder, error) from None
    model = Tagger(card)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{folder}: the weights do not fit {CARD}: {reason:.300}") from None
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise InputError(f"{folder}: damaged model: not all of its weights are numbers")
    return model.to(device).eval()


def _state(model: Tagger) -> list[tuple[str, torch.Tensor]]:
    return sorted(model.state_dict().items())
