"""What stands between a server on this machine and the web pages that its user has open.

An ASGI application -> one that answers only those who ask for it by a name of this machine, reads
no more of a request than it may, and lets its pages load nothing from elsewhere.
"""

import asyncio
import ipaddress
import time
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Refuses other hosts and origins, and bodies that are too large or come too slowly."""

    def __init__(self, app: ASGIApp, *, host: str, max_body_bytes: int, max_seconds: float) -> None:
        self._app, self._host = app, host.lower()
        self._max_body_bytes, self._max_seconds = max_body_bytes, max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = self._refuse(headers) or self._app
        await answer(scope, self._limit(receive), _add_headers(send))

    def _refuse(self, headers: Headers) -> JSONResponse | None:
        """Why a request gets no answer, as one; nothing where it gets one.

        A page of another site reaches this machine by giving its own name our address (DNS
        rebinding), so that the name it asks for is none of ours. Source: OWASP, "Server-Side
        Request Forgery Prevention"; of the origin, "Cross-Site Request Forgery Prevention".
        """
        host = headers.get("host", "")
        if not self._is_ours(host):
            return _say(421, "ask for this machine by its address or as localhost")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return _say(403, "another site's page may not ask")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._max_body_bytes:
            return _say(413, self._too_large())
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in ("localhost", self._host):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _limit(self, receive: Receive) -> Receive:
        """Pass on what comes of the body while it is small and quick enough."""
        end, size, is_whole = time.monotonic() + self._max_seconds, 0, False

        async def receive_some() -> Message:
            nonlocal size, is_whole
            try:
                async with asyncio.timeout(max(0.0, end - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                reason = f"the request took more than {self._max_seconds:g} seconds to come"
                raise HTTPException(408, reason) from None
            if message["type"] == "http.disconnect" and not is_whole:
                raise HTTPException(400, "the request ended before its body")
            is_whole = not message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > self._max_body_bytes:
                raise HTTPException(413, self._too_large())
            return message

        return receive_some

    def _too_large(self) -> str:
        return f"a request of more than {self._max_body_bytes} bytes"


def _say(status: int, reason: str) -> JSONResponse:
    # The rest of a body that nobody reads ends with the connection.
    return JSONResponse({"detail": reason}, status, {"connection": "close"})


def _add_headers(send: Send) -> Send:
    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return send_on
