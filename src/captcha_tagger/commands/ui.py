"""The ui command: MLflow's own server on the record, for this machine alone."""

import os
import socket
import sys
from typing import NoReturn

from captcha_tagger.base.errors import InputError, hide_password
from captcha_tagger.base.places import root_folder, store_address

HOST = "127.0.0.1"


def open_ui(port: int) -> NoReturn:
    """Become the server; InputError when the port cannot be had or the store has a server."""
    address = store_address(create=True)
    if address.startswith("http"):
        raise InputError(f"MLFLOW_TRACKING_URI: {hide_password(address)} is a server: browse it")
    if not 0 < port < 65536:
        raise InputError(f"--port: {port} is no port; take one from 1024 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"--port: {port} cannot be had ({error.strerror}); try another"
            ) from None
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ["MLFLOW_BACKEND_STORE_URI"] = address  # a command line can be read by all
    os.chdir(root_folder())
    words = ["-m", "mlflow", "ui", "--host", HOST, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *words])
