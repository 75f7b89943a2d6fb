"""The section `read` of params.yaml: how a text is read from what the columns say."""

from typing import Literal, Self

from pydantic import field_validator, model_validator

from captcha_tagger.base.patterns import compile_pattern
from captcha_tagger.base.settings import Section


class Read(Section):
    """Greedy decoding takes each column's likeliest label; a beam adds up all paths of a text.

    `pattern` is a regular expression that a text must match whole; only a beam can look for one.
    """

    decoding: Literal["greedy", "beam"]
    pattern: str | None

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        compile_pattern(pattern or "")
        return pattern

    @model_validator(mode="after")
    def _a_pattern_needs_a_beam(self) -> Self:
        if self.pattern is not None and self.decoding != "beam":
            raise ValueError("a pattern is looked for by a beam; set decoding to beam")
        return self


GREEDY = Read(decoding="greedy", pattern=None)
