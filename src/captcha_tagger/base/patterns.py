"""The user's regular expressions, with a time limit."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.processes import limit_seconds

SECONDS = 2.0  # a pattern takes microseconds a text, or years: (a+)+ where it does not match


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """ValueError says why it is no regular expression."""
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


@contextmanager
def limit_pattern(key: str, reached: Callable[[], str]) -> Iterator[None]:
    """InputError when matching in the block takes too long, with the param and the text reached.

    For a main thread alone.
    """
    try:
        with limit_seconds(SECONDS):
            yield
    except TimeoutError:
        raise InputError(
            f"{key}: too slow on {reached()!r}; let it repeat nothing that repeats"
        ) from None
