"""Errors meant for people."""


class InputError(ValueError):
    """Input that the user must change: one line that says what is wrong, where, and what to do.

    Stages and the command line print the line without a traceback and exit with code 2.
    """


class NonFiniteLossError(RuntimeError):
    """A loss that is no number: says where, and what to try. Exit code 1; the state is kept."""
