"""The image files that people name: paths, folders and globs -> files, and a file -> its bytes."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.source.limits import ENDINGS


def find_images(names: list[str]) -> list[Path]:
    """The files named, those in folders named (any nesting), and those that globs match.

    A folder that may not be read is in the list itself: reading it says why.
    """
    found: dict[Path, None] = {}
    for name in names:
        if not name:
            raise InputError("an empty path; name an image, a folder or a glob")
        path = Path(name)
        matches = [path] if path.exists() else _match(name)
        if not matches:
            raise InputError(f"{name}: no such file or folder")
        for match in matches:
            if match.is_dir():
                found.update(dict.fromkeys(sorted(_walk(match))))
            elif match == path or match.suffix.lower() in ENDINGS:
                found[match] = None
    if not found:
        raise InputError(f"{', '.join(names)}: no image there ({', '.join(ENDINGS)})")
    return list(found)


def _walk(folder: Path) -> Iterator[Path]:
    unreadable: list[OSError] = []
    for place, _, names in os.walk(folder, onerror=unreadable.append):
        for name in names:
            if name.lower().endswith(ENDINGS):
                yield Path(place, name)
    yield from (Path(error.filename) for error in unreadable)


def _match(pattern: str) -> list[Path]:
    """What a glob matches that the shell did not expand."""
    return sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207
