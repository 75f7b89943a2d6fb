"""The ui command: MLflow's own server on the record, for this machine alone."""

import os
import sys
from typing import NoReturn

from captcha_tagger.base.errors import InputError, hide_password
from captcha_tagger.base.places import root_folder, store_address
from captcha_tagger.serve.server import HOST, listen
from captcha_tagger.tracking.moves import follow_move


def open_ui(port: int) -> NoReturn:
    """Become the server; InputError when the port cannot be had or the store has a server."""
    address = store_address(create=True)
    if address.startswith("http"):
        raise InputError(f"MLFLOW_TRACKING_URI: {hide_password(address)} is a server: browse it")
    with listen(HOST, port) as probe:  # the server itself says it in a traceback
        port = probe.getsockname()[1]
    follow_move()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ["MLFLOW_BACKEND_STORE_URI"] = address  # a command line can be read by all
    os.chdir(root_folder())
    words = ["-m", "mlflow", "ui", "--host", HOST, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *words])
