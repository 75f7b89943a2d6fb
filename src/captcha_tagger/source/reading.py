"""A path -> its bytes, whoever asks for them: never a pipe, a device or more than is allowed."""

import os
import stat
from pathlib import Path

from captcha_tagger.base.errors import InputError


class TooManyBytesError(InputError):
    """The file is larger than its caller allows; who asks for it knows which limit to raise."""


def read_regular(path: str | Path, max_bytes: int) -> bytes:
    """The content of a regular file; InputError when it is another kind or too large."""
    # O_NONBLOCK: opening a pipe must not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError("not a regular file")
        if status.st_size > max_bytes:
            raise TooManyBytesError(f"{status.st_size} bytes are more than {max_bytes}")
        return file.read(status.st_size)  # no more, should it grow meanwhile
