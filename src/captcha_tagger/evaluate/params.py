"""The section `evaluate` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from captcha_tagger.base.settings import Count, Prob, Section, Seed


class Evaluate(Section):
    threshold: Literal["model"] | Prob
    resamples: Annotated[int, Field(ge=100, le=100_000)]
    seed: Seed
    evidence_images: Count
