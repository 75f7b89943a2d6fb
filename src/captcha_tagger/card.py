"""What a model is, beside its weights: the small JSON that inference needs.

`model.json` of a model folder -> ModelCard.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Architecture(Frozen):
    """A backbone by name; the two numbers refit a torchvision ResNet to small images."""

    name: str
    output_stride: Literal[8, 16, 32]
    dropped_stages: Annotated[int, Field(ge=0, le=2)]


class Normalization(Frozen):
    """Per-channel mean and standard deviation of pixels in 0..255."""

    mean: list[float]
    std: list[float]


class ModelCard(Frozen):
    """Everything about a Tagger that its weights do not say."""

    architecture: Architecture
    pooling: Literal["noisy_or", "concat"]
    channels: Literal[1, 3]
    height: Positive
    width: Positive
    vocabulary: list[str]
    normalization: Normalization
    threshold: Annotated[float, Field(gt=0, lt=1)]
