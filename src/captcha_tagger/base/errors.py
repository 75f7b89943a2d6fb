"""Errors meant for people."""

import re

PASSWORD = re.compile(r"(://[^/:@\s]*):\S*@")


class InputError(ValueError):
    """Input that the user must change: one line that says what is wrong, where, and what to do.

    Stages and the command line print the line without a traceback and exit with code 2.
    """


class NonFiniteLossError(RuntimeError):
    """A loss that is no number: says where, and what to try. Exit code 1; the state is kept."""


def hide_password(text: str) -> str:
    """The text without the passwords of the URIs in it."""
    return PASSWORD.sub(r"\1:***@", text)
