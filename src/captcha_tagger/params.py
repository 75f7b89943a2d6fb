"""params.yaml as frozen, validated models: one class per section, unknown keys are errors.

The file is read as YAML 1.2 by the same library that DVC writes it with, so the `1e-05` that
`dvc exp run -S train_head.learning_rate=1e-5` leaves behind is a float (YAML 1.1 reads a string).
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from captcha_tagger.errors import InputError

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(ge=0, le=1)]
Prob = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, allow_inf_nan=False)]
EmaDecay = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sample(Section):
    images: Count
    characters: Annotated[str, Field(min_length=2)]
    length: Annotated[int, Field(ge=1, le=12)]
    seed: Seed


class Ingest(Section):
    source: Annotated[str, Field(min_length=1)]
    name_pattern: str
    case: Literal["keep", "lower", "upper"]
    height: Annotated[int, Field(ge=16, le=2048)]
    width: Annotated[int, Field(ge=16, le=4096)]
    color: Literal["grey", "rgb"]
    max_rejected: Share
    max_files: Count
    max_file_bytes: Count
    max_total_bytes: Count
    max_compression_ratio: Annotated[float, Field(ge=1)]
    max_image_pixels: Count

    @property
    def channels(self) -> int:
        return 1 if self.color == "grey" else 3

    @model_validator(mode="after")
    def _pattern_names_the_text(self) -> Self:
        try:
            groups = re.compile(self.name_pattern).groupindex
        except re.error as error:
            raise ValueError(f"name_pattern is no regular expression: {error}") from error
        if "text" not in groups:
            raise ValueError("name_pattern needs a group (?P<text>...)")
        return self


class Split(Section):
    method: Literal["stratified", "random"]
    validation: Annotated[float, Field(gt=0, lt=1)]
    folds: Annotated[int, Field(ge=2)] | None
    fold: Annotated[int, Field(ge=0)]
    train_images: Annotated[int, Field(ge=0)] | None
    seed: Seed

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.fold >= (self.folds or 1):
            raise ValueError(f"fold {self.fold} needs at least {self.fold + 1} folds")
        return self


class Backbone(Section):
    source: Literal["synthetic", "imagenet", "random", "file"]
    architecture: str
    output_stride: Literal[4, 8, 16, 32]
    dropped_stages: Annotated[int, Field(ge=0, le=2)]
    file: str | None
    images: Count
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Rate
    weight_decay: Decay
    seed: Seed

    @model_validator(mode="after")
    def _file_goes_with_its_source(self) -> Self:
        if (self.source == "file") != (self.file is not None):
            raise ValueError("file is set exactly when source is 'file'")
        return self


class TrainHead(Section):
    pooling: Literal["noisy_or", "concat"]
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Rate
    weight_decay: Decay
    augment: bool
    seed: Seed


class FineTune(Section):
    epochs: Count
    min_steps: Annotated[int, Field(ge=0)]
    batch_size: Annotated[int, Field(ge=2)]
    learning_rates: Annotated[list[Rate], Field(min_length=2, max_length=2)]
    weight_decay: Decay
    ema_decay: EmaDecay
    augment: bool
    threshold: Literal["auto"] | Prob
    seed: Seed


class Evaluate(Section):
    threshold: Literal["model"] | Prob
    resamples: Annotated[int, Field(ge=100, le=100_000)]
    seed: Seed


class TopLosses(Section):
    images: Count
    page_images: Count


class Compute(Section):
    device: Literal["auto", "cpu", "cuda"]
    threads: Literal["auto"] | Count
    precision: Literal["auto", "float32", "bfloat16"]
    deterministic: bool
    save_every_seconds: Annotated[float, Field(ge=0)]


class Params(Section):
    """The whole of params.yaml."""

    sample: Sample
    ingest: Ingest
    split: Split
    backbone: Backbone
    train_head: TrainHead
    fine_tune: FineTune
    evaluate: Evaluate
    top_losses: TopLosses
    compute: Compute


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate the file; InputError names the first key that is wrong."""
    try:
        content = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the repository root") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML: {_first_line(error)}") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_describe(error)}") from None


def _describe(error: ValidationError) -> str:
    # A misspelt key is both unknown and missing, of which the first says what to do; where a number
    # stands for "auto", what is wrong with the number says more than that it is not the word.
    order = {"extra_forbidden": 0, "literal_error": 2}
    first = min(error.errors(), key=lambda one: order.get(one["type"], 1))
    key = _name_key(first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key; remove it or correct its spelling"
    if first["type"] == "missing":
        return f"{key}: missing"
    message = first["msg"].removeprefix("Value error, ")
    if isinstance(first["input"], dict | None):
        return f"{key}: {message}" if key else message
    return f"{key}: {message} (it is {first['input']!r})"


def _name_key(location: tuple[int | str, ...]) -> str:
    """The key as it stands in the file, without the names of a union's alternatives."""
    section = Params.model_fields.get(str(location[0])) if location else None
    parts = location[:2] if section else location
    return ".".join([str(part) for part in parts])


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())
