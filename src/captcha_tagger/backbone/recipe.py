"""What a pretraining draws, and how it learns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from captcha_tagger.backbone.params import Backbone


@dataclass(frozen=True)
class Recipe:
    """`reports` pace the progress and the resume file, and must divide the steps."""

    images: int
    batch_size: int
    learning_rate: float  # peak of the one-cycle schedule
    weight_decay: float
    seed: int  # of the first weights and of the drawings
    faces: Sequence[Path]
    reports: int = 10

    @classmethod
    def of(cls, params: Backbone, faces: Sequence[Path]) -> Self:
        return cls(
            images=params.images,
            batch_size=params.batch_size,
            learning_rate=params.learning_rate,
            weight_decay=params.weight_decay,
            seed=params.seed,
            faces=faces,
        )
