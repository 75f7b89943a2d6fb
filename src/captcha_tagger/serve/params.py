"""The section `serve` of params.yaml: what strangers' images may cost."""

from typing import Annotated

from pydantic import Field

from captcha_tagger.base.settings import Count, Section
from captcha_tagger.source.limits import MOST_PIXELS


class Serve(Section):
    max_body_bytes: Count
    max_images: Annotated[int, Field(ge=1, le=10_000)]
    max_image_pixels: Annotated[int, Field(ge=1, le=MOST_PIXELS)]
    max_seconds: Annotated[float, Field(gt=0, le=3600)]
