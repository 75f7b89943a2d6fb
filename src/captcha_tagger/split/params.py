"""The section `split` of params.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from captcha_tagger.base.settings import Section, Seed


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
