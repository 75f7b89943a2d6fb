"""What a model is, beside its weights: the small JSON that inference needs.

`model.json` of a model folder -> ModelCard.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_json

CARD, BACKBONE_CARD, WEIGHTS = "model.json", "backbone.json", "weights.safetensors"

# Beyond what ingest makes, so that no card from elsewhere asks for gigabytes.
Side = Annotated[int, Field(ge=1, le=4096)]
MOST_LABELS = 65_536


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
    height: Side
    width: Side
    vocabulary: Annotated[list[str], Field(min_length=1, max_length=MOST_LABELS)]
    threshold: Annotated[float, Field(gt=0, lt=1)]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images that the model takes."""
        return self.channels, self.height, self.width

    @model_validator(mode="after")
    def _parts_fit_each_other(self) -> Self:
        labels = self.vocabulary
        if len(set(labels)) < len(labels) or any(len(label) != 1 for label in labels):
            raise ValueError("vocabulary: each label must be one character, and there once")
        return self


def load_card(folder: Path) -> ModelCard:
    """The card in a model folder; InputError when there is none that fits."""
    if not (folder / CARD).is_file():  # a pipe would keep its reader waiting
        raise InputError(f"{folder}: no model here, {CARD} is missing")
    try:
        return ModelCard.model_validate(read_json(folder / CARD))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{folder / CARD}: {where}: {first['msg']}; "
            "damaged, or of another version: train the model again"
        ) from None
    except (ValueError, RecursionError) as error:
        raise damaged(folder, error) from None


def damaged(folder: Path, error: Exception) -> InputError:
    """What to say of a model folder whose file cannot be read."""
    reason = str(error).partition("\n")[0]
    return InputError(f"{folder}: damaged model: {reason}")
