"""What a killed training run needs to go on: one file, written atomically, keyed by its inputs.

The key is a hash of params, data, code and machine; another key never finds the file, so any change
starts anew. The file begins with a digest of the rest, since torch reads tensors without checking
the archive's own checksums: one flipped bit would go on unseen. Files live under `.state/resume/`
of the DVC root, since DVC deletes a stage's outputs before it starts, and `dvc exp run --temp`
works in a copy that is thrown away.
"""

import hashlib
import io
import json
import pickle
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from captcha_tagger.base.code import list_code
from captcha_tagger.base.files import atomic_file
from captcha_tagger.base.places import state_folder


def fingerprint(stage: str, settings: Any, files: Iterable[Path]) -> str:
    """A hex digest of JSON-like settings, the contents of files and the stage's own code."""
    digest = hashlib.sha256(json.dumps([settings, torch.__version__], sort_keys=True).encode())
    for path in [*files, *list_code(stage)]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


class ResumeFile:
    """The saved state of one training run, if there is any."""

    def __init__(self, stage: str, key: str, *, every_seconds: float) -> None:
        self.key = key
        self.path = state_folder() / "resume" / f"{stage}-{key}.pt"
        self._every_seconds = every_seconds
        self._saved_at = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The last saved state, on the CPU; a damaged file is set aside with a line."""
        if not self.path.exists():
            return None
        try:
            state: dict[str, Any] = _unpack(self.path.read_bytes())
        except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
            aside = self.path.with_suffix(".damaged")
            self.path.replace(aside)
            reason = str(error).split("\n")[0]
            print(f"resume file set aside as {aside}: {reason}; starting anew", file=sys.stderr)
            return None
        return state

    def is_due(self) -> bool:
        return time.monotonic() - self._saved_at >= self._every_seconds

    def save(self, state: dict[str, Any]) -> None:
        with atomic_file(self.path) as beside:
            beside.write_bytes(_pack(state))
        self._saved_at = time.monotonic()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def _pack(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    return hashlib.sha256(content).digest() + content


def _unpack(data: bytes) -> dict[str, Any]:
    size = hashlib.sha256().digest_size
    if hashlib.sha256(data[size:]).digest() != data[:size]:
        raise ValueError("its content is not what was saved")
    return torch.load(io.BytesIO(data[size:]), map_location="cpu", weights_only=True)
