"""The section `backbone` of params.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from captcha_tagger.base.settings import Count, Decay, Rate, Section, Seed

ENDINGS = (".safetensors", ".pth", ".pt")


class Backbone(Section):
    source: Literal["shipped", "synthetic", "imagenet", "random", "file"]
    architecture: str
    output_stride: Literal[4, 8, 16, 32]
    dropped_stages: Annotated[int, Field(ge=0, le=2)]
    file: Annotated[str, Field(min_length=1)]
    images: Count
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Rate
    weight_decay: Decay
    seed: Seed

    @model_validator(mode="after")
    def _file_holds_weights(self) -> Self:
        if self.source == "file" and not self.file.endswith(ENDINGS):
            raise ValueError(f"file names no weights, {' or '.join(ENDINGS)}, for source: file")
        return self

    @model_validator(mode="after")
    def _imagenets_weights_are_torchvisions(self) -> Self:
        if self.source == "imagenet" and self.architecture == "compact":
            raise ValueError(
                "compact was never trained on ImageNet; set architecture to a torchvision "
                "classifier such as resnet18"
            )
        return self

    @model_validator(mode="after")
    def _drawn_texts_have_columns(self) -> Self:
        is_strided = self.architecture == "compact" or "resne" in self.architecture
        if self.source == "synthetic" and not (is_strided and self.output_stride <= 8):
            raise ValueError(
                "synthetic draws texts for positions of 8 pixels; set output_stride to 8 or 4, and "
                "architecture to compact or a ResNet"
            )
        return self

    @model_validator(mode="after")
    def _shipped_weights_are_of_one_architecture(self) -> Self:
        if self.source == "shipped" and (self.architecture, self.output_stride) != ("compact", 8):
            raise ValueError(
                "the shipped weights are of architecture compact with an output_stride of 8; for "
                "another set source to random, imagenet or file"
            )
        return self
