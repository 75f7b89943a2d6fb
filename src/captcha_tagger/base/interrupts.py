"""Ctrl-C is one line and exit code 130, whenever it comes.

Stages and the command line catch KeyboardInterrupt while they work. Importing this takes care of
the seconds before, in which they import what they need.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn

INTERRUPTED = 130  # as a shell says of what SIGINT ended
IMPORT = "<frozen importlib"


@contextmanager
def keep_interrupts() -> Iterator[None]:
    """KeyboardInterrupt stays one, also where a library's clean-up fails over it.

    So does tqdm's, which then releases a lock that it has not acquired.
    """
    try:
        yield
    except Exception as error:
        if _stems_from_interrupt(error):
            raise KeyboardInterrupt from error
        raise


def _stems_from_interrupt(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Raise KeyboardInterrupt, but end at once in an import: some extension modules abort there."""
    if _is_importing(frame):
        _say()
        os._exit(INTERRUPTED)
    raise KeyboardInterrupt


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and not frame.f_code.co_filename.startswith(IMPORT):
        frame = frame.f_back
    return frame is not None


def _report(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """What Python does about an error that nobody caught, but for the traceback of Ctrl-C."""
    if issubclass(kind, KeyboardInterrupt):
        _say()
    else:
        sys.__excepthook__(kind, error, traceback)


def _say() -> None:
    print(f"{Path(sys.argv[0]).stem}: interrupted", file=sys.stderr, flush=True)


sys.excepthook = _report
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else a shell ignores it
    signal.signal(signal.SIGINT, _stop)
