"""The application of the serve command: a page, and beside it an endpoint for programs.

A Predictor, a Decoder and limits -> an ASGI application. Images come as they are, one a request,
or several as base64 in JSON.
"""

from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.types import ASGIApp

from captcha_tagger.base.errors import InputError
from captcha_tagger.predict.predictor import Predictor
from captcha_tagger.serve.answers import Model, Reply, answer, describe_model
from captcha_tagger.serve.assets import add_assets
from captcha_tagger.serve.bodies import BODY, refuse, unpack
from captcha_tagger.serve.decoder import BusyError, Decoder
from captcha_tagger.serve.guard import Guard
from captcha_tagger.serve.params import Serve

PAGE = {
    "/": ["serve.html"],
    "/serve.css": ["serve.css"],
    "/serve.js": ["elements.js", "serve.js"],
}
REASONS = {
    400: "a body that is not as described",
    408: "a request that comes too slowly",
    413: "more bytes or images than a request may hold",
    422: "an image that cannot be used: which, and why",
    503: "others keep the server busy; ask again",
}


def make_app(predictor: Predictor, decoder: Decoder, limits: Serve, host: str) -> ASGIApp:
    """The application behind its guard; `host` is a name that it may be asked for by."""
    router = APIRouter()
    add_assets(router, "captcha_tagger.serve", PAGE)
    _add_facts(router, describe_model(predictor.card, limits))
    _add_predict(router, predictor, decoder, limits.max_images)
    app = FastAPI(
        title="captcha-tagger",
        summary="What do captcha images say?",
        version="1",
        docs_url=None,  # these two pages load their scripts from elsewhere
        redoc_url=None,
        exception_handlers={RequestValidationError: refuse},
    )
    app.include_router(router)
    return Guard(
        app, host=host, max_body_bytes=limits.max_body_bytes, max_seconds=limits.max_seconds
    )


def _add_facts(router: APIRouter, facts: Model) -> None:
    @router.get("/health", summary="Whether the server answers")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/model", summary="What the model can say, and what a request may hold")
    def model() -> Model:
        return facts


def _add_predict(
    router: APIRouter, predictor: Predictor, decoder: Decoder, max_images: int
) -> None:
    def ask(images: list[bytes], evidence: bool) -> Reply:
        return answer(predictor, decoder.decode(images), evidence=evidence)

    @router.post(
        "/predict",
        summary="The texts and labels of one image, or of several",
        responses={status: {"description": reason} for status, reason in REASONS.items()},
        openapi_extra={"requestBody": BODY},
    )
    async def predict(
        request: Request,
        evidence: Annotated[bool, Query(description="add where each label was seen")] = False,
    ) -> Reply:
        kind = request.headers.get("content-type", "")
        images = unpack(kind, await request.body(), max_images)
        try:
            return await run_in_threadpool(ask, images, evidence)
        except InputError as error:
            raise HTTPException(422, str(error)) from None
        except BusyError:
            raise HTTPException(503, REASONS[503], {"retry-after": "1"}) from None
