"""The section `sample` of params.yaml."""

from typing import Annotated

from pydantic import Field

from captcha_tagger.base.settings import Count, Section, Seed


class Sample(Section):
    images: Count
    characters: Annotated[str, Field(min_length=2)]
    length: Annotated[int, Field(ge=1, le=12)]
    seed: Seed
