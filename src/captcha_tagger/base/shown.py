"""Text as it can be shown on a terminal, in a table or on a page.

Controls, line separators, direction overrides and undecodable bytes of a file's name would forge
the lines around it.
"""

import io
import re
import sys

UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(text: str) -> str:
    """The text with what is unfit written as escapes."""
    return UNFIT.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def accept_all_characters() -> None:
    """Let printing escape what the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
