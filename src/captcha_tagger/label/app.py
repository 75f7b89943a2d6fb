"""The application of the label command: one page, for whoever knows the token in its address.

A Sitting and a token -> an ASGI application, which shows an image at a time and takes its text.
"""

from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.types import ASGIApp

from captcha_tagger.base.errors import InputError
from captcha_tagger.label.sitting import Sitting, State
from captcha_tagger.serve.assets import add_assets
from captcha_tagger.serve.bodies import refuse
from captcha_tagger.serve.guard import Guard

PAGE = {"/": ["label.html"], "/label.css": ["label.css"], "/label.js": ["label.js"]}
MAX_BODY_BYTES, MAX_SECONDS = 10_000, 10.0


class Given(BaseModel):
    """A person's answer to an image; no text skips it."""

    number: int
    text: str | None = None


def make_app(sitting: Sitting, token: str, host: str) -> ASGIApp:
    """The application behind its guard; other addresses than those with the token do not exist."""
    router = APIRouter(prefix=f"/{token}")
    add_assets(router, "captcha_tagger.label", PAGE)
    _add_steps(router, sitting)
    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={RequestValidationError: refuse},
    )
    app.include_router(router)
    return Guard(app, host=host, max_body_bytes=MAX_BODY_BYTES, max_seconds=MAX_SECONDS)


def _add_steps(router: APIRouter, sitting: Sitting) -> None:
    # Coroutines take turns on one thread, and so does what they change.
    @router.get("/state")
    async def show() -> State:
        return sitting.show()

    @router.post("/answer")
    async def answer(given: Given) -> State:
        try:
            if given.text is None:
                sitting.skip(given.number)
            else:
                sitting.answer(given.number, given.text)
        except InputError as error:
            raise HTTPException(422, str(error)) from None
        except OSError as error:
            raise HTTPException(507, f"not written: {error.strerror}") from None
        return sitting.show()

    @router.post("/back")
    async def go_back() -> State:
        sitting.go_back()
        return sitting.show()

    @router.get("/images/{number}")
    async def picture(number: int) -> Response:
        try:
            content: Any = sitting.picture(number)
        except InputError as error:
            raise HTTPException(404, str(error)) from None
        return Response(content, media_type="image/webp")
