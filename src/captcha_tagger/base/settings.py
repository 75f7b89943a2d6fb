"""params.yaml, one section at a time: frozen, validated models in which unknown keys are errors.

The file is read as YAML 1.2 by the same library that DVC writes it with, so the `1e-05` that
`dvc exp run -S train_head.learning_rate=1e-5` leaves behind is a float (YAML 1.1 reads a string).
"""

import re
import reprlib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from captcha_tagger.base.errors import InputError

PARAMS = Path("params.yaml")
# ruamel.yaml raises the others for a value that is not of its tag: `!!bool x`, 2020-99-99.
UNREADABLE = (YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError)

Count = Annotated[int, Field(ge=1, le=10**12)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(ge=0, le=1)]
Prob = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, allow_inf_nan=False)]
HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}")


def _check_address(word: str) -> str:
    if word not in ("local", "auto") and not HOST_AND_PORT.fullmatch(word):
        raise ValueError("no address of Ray; write null, local, auto or HOST:PORT")
    return word


Address = Annotated[str, AfterValidator(_check_address)]


class Section(BaseModel):
    """What the sections of params.yaml share."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


SectionModel = TypeVar("SectionModel", bound=Section)


def load_section(name: str, model: type[SectionModel], path: Path = PARAMS) -> SectionModel:
    """Read and validate one section; InputError names the first key that is wrong."""
    sections = read_params(path)
    if name not in sections:
        raise InputError(f"{path}: {name}: missing")
    return validate(model, sections[name], f"{path}: {name}.")


def read_params(path: Path = PARAMS) -> dict[str, Any]:
    """The sections as they stand in the file, not validated."""
    try:
        content = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the repository root") from None
    except RecursionError:
        raise InputError(f"{path}: not readable as YAML: nested too deep") from None
    except UNREADABLE as error:
        raise InputError(f"{path}: not readable as YAML: {_first_line(error)}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no sections")
    return content


def validate(model: type[SectionModel], content: Any, where: str) -> SectionModel:
    """The content as a model; the InputError begins with `where` and the key."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        separator = "" if where.endswith(".") else ": "
        raise InputError(f"{where}{separator}{_describe(error, model)}") from None


def _describe(error: ValidationError, model: type[Section]) -> str:
    # A misspelt key is both unknown and missing, of which the first says what to do; where a number
    # stands for "auto", what is wrong with the number says more than that it is not the word.
    order = {"extra_forbidden": 0, "literal_error": 2}
    first = min(error.errors(), key=lambda one: order.get(one["type"], 1))
    key = _name_key(first["loc"], model)
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key; remove it or correct its spelling"
    if first["type"] == "missing":
        return f"{key}: missing"
    message = first["msg"].removeprefix("Value error, ")
    if isinstance(first["input"], dict | None):
        return f"{key}: {message}" if key else message
    return f"{key}: {message} (it is {reprlib.repr(first['input'])})"


def _name_key(location: tuple[int | str, ...], model: type[Section]) -> str:
    """The key as it stands in the file, without the names of a union's alternatives."""
    field = model.model_fields.get(str(location[0])) if location else None
    holds_section = (
        field and isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    )
    return ".".join(str(part) for part in location[: 2 if holds_section else 1])


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())
