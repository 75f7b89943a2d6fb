"""What a model is, beside its weights: the small JSON that inference needs.

`model.json` of a model folder -> ModelCard.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json

CARD = "model.json"

Positive = Annotated[int, Field(ge=1)]


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Architecture(Frozen):
    """A backbone by name. `output_stride` refits compact and ResNets to small images,
    `dropped_stages` ResNets alone.
    """

    name: str
    output_stride: Literal[4, 8, 16, 32]
    dropped_stages: Annotated[int, Field(ge=0, le=2)]


class ModelCard(Frozen):
    """Everything about a Tagger that its weights do not say."""

    architecture: Architecture
    head: Literal["ctc", "noisy_or", "concat"]
    channels: Literal[1, 3]
    height: Positive
    width: Positive
    vocabulary: list[str]
    threshold: Annotated[float, Field(gt=0, lt=1)]


def load_card(folder: Path) -> ModelCard:
    """The card in a model folder; InputError when there is none that fits."""
    try:
        return ModelCard.model_validate(read_json(folder / CARD))
    except FileNotFoundError:
        raise InputError(f"{folder}: no model here, {CARD} is missing") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{folder / CARD}: {where}: {first['msg']}; "
            "damaged, or of another version: train the model again"
        ) from None
    except ValueError as error:
        raise damaged(folder, error) from None


def damaged(folder: Path, error: Exception) -> InputError:
    """What to say of a model folder whose file cannot be read."""
    reason = str(error).partition("\n")[0]
    return InputError(f"{folder}: damaged model: {reason}")
