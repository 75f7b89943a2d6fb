"""Errors meant for people."""

import errno
import re

WRONG_NAMES = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # or one that takes no more
PASSWORD = re.compile(r"(://[^/:@\s]*):\S*@")


class InputError(ValueError):
    """Input that the user must change: one line that says what is wrong, where, and what to do.

    Stages and the command line print the line without a traceback and exit with code 2.
    """


class NonFiniteLossError(RuntimeError):
    """A loss that is no number: says where, and what to try. Exit code 1; the state is kept."""


def exit_code(error: OSError) -> int:
    """2 where a name leads to no such file or cannot, else 1: it is the machine's fault."""
    return 2 if error.errno in WRONG_NAMES else 1


def hide_password(text: str) -> str:
    """The text without the passwords of the URIs in it."""
    return PASSWORD.sub(r"\1:***@", text)
