"""What the server says of one image, as JSON: its text, its labels, and where it saw them."""

from typing import Annotated

import torch
from pydantic import BaseModel, Field

from captcha_tagger.base.work.threads import one_thread
from captcha_tagger.data.pixels import Pixels, Shape
from captcha_tagger.data.readings import Spans
from captcha_tagger.evaluate.ask import look
from captcha_tagger.network.card import ModelCard
from captcha_tagger.predict.predictor import Prediction, Predictor
from captcha_tagger.report.thumbnails import encode_image
from captcha_tagger.serve.params import Serve

DIGITS = 4  # of probs on the page

Prob = Annotated[float, Field(ge=0, le=1)]


class Evidence(BaseModel):
    """What the page draws: the image as the model sees it, and maps of the labels found."""

    picture: Annotated[str, Field(description="a data URI")]
    maps: Annotated[
        dict[str, list[list[float]]],
        Field(description="of each label found, its prob at each position: rows of columns"),
    ]


class ImageAnswer(BaseModel):
    """One image's answer; the first three keys are null where the model reads no texts."""

    text: str | None
    confidence: Annotated[Prob | None, Field(description="the prob that the text is all right")]
    spans: Annotated[
        Spans | None,
        Field(description="each character's first and last pixel column, as the model sees it"),
    ]
    labels: Annotated[list[str], Field(description="those with a prob above the threshold")]
    probs: dict[str, Prob]
    threshold: Prob
    evidence: Annotated[Evidence | None, Field(description="only where it was asked for")] = None


class Reply(BaseModel):
    """One answer for each image, in order."""

    predictions: list[ImageAnswer]


class Model(BaseModel):
    """What the model can say, and what a request may hold."""

    vocabulary: list[str]
    reads: Annotated[bool, Field(description="texts, or their labels alone")]
    width: int
    height: int
    channels: int
    max_body_bytes: int
    max_images: int


def describe_model(card: ModelCard, limits: Serve) -> Model:
    return Model(
        vocabulary=card.vocabulary,
        reads=card.head == "ctc",
        **Shape(*card.shape)._asdict(),
        max_body_bytes=limits.max_body_bytes,
        max_images=limits.max_images,
    )


def answer(predictor: Predictor, images: list[Pixels], *, evidence: bool) -> Reply:
    """The answers in the order of the decoded images."""
    found = list(predictor.predict(images))
    return Reply(
        predictions=[
            _fill(one, _look(predictor, pixels, one) if evidence else None)
            for pixels, one in zip(images, found, strict=True)
        ]
    )


def _fill(found: Prediction, evidence: Evidence | None) -> ImageAnswer:
    reading = found.reading
    return ImageAnswer(
        text=reading.text if reading else None,
        confidence=reading.confidence if reading else None,
        spans=reading.spans if reading else None,
        labels=found.labels,
        probs=found.probs,
        threshold=found.threshold,
        evidence=evidence,
    )


def _look(predictor: Predictor, pixels: Pixels, found: Prediction) -> Evidence:
    with one_thread():
        maps = look(predictor.model, torch.from_numpy(pixels[None]))[0].double().numpy()
    named = dict(zip(predictor.card.vocabulary, maps.round(DIGITS).tolist(), strict=True))
    return Evidence(
        picture=encode_image(pixels), maps={label: named[label] for label in found.labels}
    )
