"""An application at an address of this machine, until Ctrl-C.

FastAPI's applications on Uvicorn, which MLflow brings both.
"""

import ipaddress
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from captcha_tagger.base.errors import InputError

HOST = "127.0.0.1"
MOST_CONNECTIONS = 64
IDLE_SECONDS = 30


def run_server(app: ASGIApp, listener: socket.socket) -> None:
    """Answer at the listener until a signal ends it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):  # the usual end, once all is answered
        make_server(app).run(sockets=[listener])


def make_server(app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            access_log=False,  # an address may hold a token
            log_level="warning",
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=1,
        )
    )


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at the address, at any free port where it is 0; InputError when it cannot be had."""
    if not 0 <= port < 65536:
        raise InputError(f"--port: {port} is no port; take one from 1024 to 65535")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:  # the latter of what cannot be a name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{host}:{port} cannot be had ({reason}); try another --port") from None
    with listener:
        if not is_loopback(listener):
            print(
                f"captcha-tagger: {host} can be reached from other machines, and nobody is asked "
                "who they are",
                file=sys.stderr,
            )
        yield listener


def address_of(listener: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback
