"""The section `ingest` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from captcha_tagger.base.patterns import compile_pattern
from captcha_tagger.base.settings import Count, Section, Share
from captcha_tagger.data.labels import Case
from captcha_tagger.source.limits import MOST_PIXELS


class Ingest(Section):
    source: Annotated[str, Field(min_length=1)]
    name_pattern: str
    labels: Annotated[str, Field(min_length=1)]
    label_columns: Annotated[list[str], Field(min_length=2, max_length=2)]
    unlabelled: Literal["reject", "skip"]
    corrections: Annotated[str, Field(min_length=1)]
    case: Case
    height: Literal["auto"] | Annotated[int, Field(ge=16, le=2048)]
    width: Literal["auto"] | Annotated[int, Field(ge=16, le=4096)]
    color: Literal["auto", "grey", "rgb"]
    max_rejected: Share
    max_files: Count
    max_file_bytes: Count
    max_total_bytes: Count
    max_compression_ratio: Annotated[float, Field(ge=1)]
    max_image_pixels: Annotated[int, Field(ge=1, le=MOST_PIXELS)]

    @field_validator("name_pattern")
    @classmethod
    def _names_the_text(cls, pattern: str) -> str:
        if "text" not in compile_pattern(pattern).groupindex:
            raise ValueError("needs a group (?P<text>...)")
        return pattern
