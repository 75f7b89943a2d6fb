"""The section `compute` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from captcha_tagger.base.settings import Address, Section

MOST_THREADS = 1024  # more than any machine's; torch dies of very many
MOST_WORKERS = 64  # as many as there can be shards


class Compute(Section):
    device: Literal["auto", "cpu", "cuda"]
    threads: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_THREADS)]
    precision: Literal["auto", "float32", "bfloat16"]
    deterministic: bool
    save_every_seconds: Annotated[float, Field(ge=0)]
    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)]
    cluster: Address | None
