"""Keeps Python's garbage collector from searching what a process imports.

While torch or MLflow is imported, the collector searches after every 700 new objects, and once more
when the process ends. That was a third of the 2.2 core-seconds of a process that does nothing but
import one of them. Importing this module raises that number for the whole process.
"""

import gc

gc.set_threshold(20_000)


def keep_imports() -> None:
    """Search no more what exists by now; it stays until the process ends."""
    gc.freeze()
