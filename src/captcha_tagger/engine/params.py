"""The section `compute` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from captcha_tagger.base.settings import Count, Section


class Compute(Section):
    device: Literal["auto", "cpu", "cuda"]
    threads: Literal["auto"] | Count
    precision: Literal["auto", "float32", "bfloat16"]
    deterministic: bool
    save_every_seconds: Annotated[float, Field(ge=0)]
