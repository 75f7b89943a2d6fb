"""Python's search for garbage, which is spared what a process imports.

All that torch or MLflow consists of was searched while it was imported, after every 700 objects,
and once more at the end: a third of the 2.2 core-seconds in which a process does nothing but import
one of them. Importing this module raises that number for the whole process.
"""

import gc

gc.set_threshold(20_000)


def keep_imports() -> None:
    """What is there by now is searched no more, and stays until the process ends."""
    gc.freeze()
