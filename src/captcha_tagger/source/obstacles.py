"""What DVC cannot hash in a source: found before it hangs at a pipe, or names no file.

DVC hashes a stage's dependencies before the stage runs, so that ingest comes too late to say it.
"""

import os
import stat
import zipfile
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import is_stored
from captcha_tagger.base.shown import UNFIT, escape
from captcha_tagger.source.source import walk
from captcha_tagger.source.store import is_address, open_store

OUTPUT = Path("data/ingest")


def check_source(source: str, max_files: int) -> None:
    """InputError names the first file, or what else about the source, that DVC would trip over."""
    if is_address(source):
        open_store(source).is_file()  # or a folder
        return
    if UNFIT.search(source):
        raise InputError(f"{source}: its name holds control or undecodable characters; rename it")
    path = Path(source)
    if not path.exists():
        raise InputError(f"{source}: no such folder or zip")
    if OUTPUT.resolve().is_relative_to(path.resolve()):
        raise InputError(f"{source}: holds the pipeline's own outputs; name a folder beside them")
    if path.is_file() and is_stored(path) and zipfile.is_zipfile(path):
        return
    if not path.is_dir() or not is_stored(path):
        raise InputError(f"{source}: neither a folder nor a zip")
    for name, entry in walk(path, max_files):
        if reason := _find_obstacle(name, entry):
            raise InputError(f"{source}: {escape(name)}: {reason}; take it out")


def _find_obstacle(name: str, entry: "os.DirEntry[str]") -> str | None:
    try:
        name.encode()
        if entry.is_file() and (not entry.is_symlink() or is_stored(Path(entry.path))):
            return None  # costs nothing where the entry is no link
        mode = entry.stat().st_mode
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    except OSError:
        return "a link to nowhere" if entry.is_symlink() else "it cannot be read"
    return None if stat.S_ISDIR(mode) else "a pipe, socket or device"
