"""An application at a real address, as browsers and programs find it."""

import http.client
import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from captcha_tagger.serve.server import HOST, address_of, listen, make_server


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve on a thread; yields the address."""
    server = make_server(app)
    with listen(HOST, 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield address_of(listener)
        finally:
            server.should_exit = True
            thread.join()


class Reply:
    """Status, headers and body of one answer."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(
    address: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """GET, or POST where there is a body; an iterable is sent in chunks as it comes."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    try:
        path = parts.path.rstrip("/") + path
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        return Reply(connection.getresponse())
    finally:
        connection.close()


def post_json(address: str, path: str, content: object) -> Reply:
    body = json.dumps(content).encode()
    return request(address, path, body, {"content-type": "application/json"})
