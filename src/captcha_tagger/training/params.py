"""The sections `train_head` and `fine_tune` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from captcha_tagger.base.settings import Count, Decay, Prob, Rate, Section, Seed

# Powers of two, so that the sum over shards is a whole binary tree.
Shards = Literal[1, 2, 4, 8, 16, 32, 64]
EmaDecay = Annotated[float, Field(ge=0, lt=1)]


class TrainHead(Section):
    head: Literal["ctc", "noisy_or", "concat"]
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Rate
    weight_decay: Decay
    augment: bool
    shards: Shards
    seed: Seed


class FineTune(Section):
    epochs: Literal["auto"] | Count
    batch_size: Annotated[int, Field(ge=2)]
    learning_rates: Annotated[list[Rate], Field(min_length=2, max_length=2)]
    weight_decay: Decay
    ema_decay: EmaDecay
    augment: bool
    threshold: Literal["auto"] | Prob
    shards: Shards
    seed: Seed
