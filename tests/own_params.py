"""Notes when the repository's own params.yaml is read: no test may rely on its values."""

import os
import sys

from tests.repository import ROOT

OWN = str(ROOT / "params.yaml")

read: list[str] = []


def watch() -> None:
    """From now on, `read` gets an entry each time this process opens the file."""
    sys.addaudithook(_note)


def _note(event: str, words: tuple[object, ...]) -> None:
    if event == "open" and isinstance(words[0], str | os.PathLike):
        path = os.fspath(words[0])
        if str(path).endswith("params.yaml") and os.path.abspath(path) == OWN:  # noqa: PTH100
            read.append(OWN)
