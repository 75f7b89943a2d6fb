"""The body of a request -> the image files in it; or what is wrong with it, in a line."""

import base64
import binascii
import json
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request

JSON = "application/json"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["images"],
    "properties": {
        "images": {"type": "array", "items": {"type": "string", "contentEncoding": "base64"}}
    },
}
BODY: dict[str, Any] = {  # as OpenAPI describes it
    "required": True,
    "content": {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        JSON: {"schema": SCHEMA},
    },
}


async def refuse(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that does not fit the endpoint. FastAPI's own answer repeats what came, and
    fails over what JSON cannot hold."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return JSONResponse({"detail": f"{where}: {first['msg']}"}, 422)


def unpack(content_type: str, body: bytes, max_images: int) -> list[bytes]:
    """Several images where it is JSON; otherwise the body is one, whatever it is called."""
    if content_type.partition(";")[0].strip().lower() != JSON:
        return [body]
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is no JSON") from None
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise HTTPException(400, 'the JSON is to be {"images": [base64, ...]}')
    if len(images) > max_images:
        raise HTTPException(413, f"{len(images)} images are more than {max_images}")
    return [_decode(number, image) for number, image in enumerate(images)]


def _decode(number: int, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise HTTPException(400, f"image {number}: not base64") from None
