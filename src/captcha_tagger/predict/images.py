"""The images that people name: paths, folders, globs, addresses in an object store -> files."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.predict.named import File, find_stored
from captcha_tagger.source.limits import ENDINGS
from captcha_tagger.source.store import is_address


def find_images(names: list[str]) -> list[File]:
    """The files named, those in folders named (any nesting), and those that globs match.

    A folder that may not be read is in the list itself: reading it says why.
    """
    found: dict[str, File] = {}
    for name in names:
        if not name:
            raise InputError("an empty path; name an image, a folder or a glob")
        if is_address(name):
            found.update((str(file), file) for file in find_stored(name))
            continue
        path = Path(name)
        matches = [path] if path.exists() else _match(name)
        if not matches:
            raise InputError(f"{name}: no such file or folder")
        for match in matches:
            if match.is_dir():
                found.update((str(file), file) for file in sorted(_walk(match)))
            elif match == path or match.suffix.lower() in ENDINGS:
                found[str(match)] = match
    if not found:
        raise InputError(f"{', '.join(names)}: no image there ({', '.join(ENDINGS)})")
    return list(found.values())


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
