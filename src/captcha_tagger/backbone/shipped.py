"""The backbone that comes with the package: pretrained once, long, on very many drawn looks.

`captcha_tagger.backbone.ship` makes its files: weights.safetensors and backbone.json as in
data/backbone/, and origin.json, which says from what they were made and holds the weights' SHA-256.
Copying them takes no torch, which takes 2 s to load.
"""

import hashlib
import shutil
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import atomic_folder, read_json
from captcha_tagger.network.card import WEIGHTS

FOLDER = Path(__file__).parent / "weights"
ORIGIN = "origin.json"


def copy_shipped(out: Path) -> None:
    """Make a backbone folder of the shipped files; InputError when they are others."""
    check_shipped(FOLDER)
    with atomic_folder(out) as beside:
        for path in FOLDER.iterdir():
            if path.name != ORIGIN:
                shutil.copyfile(path, beside / path.name)


def check_shipped(folder: Path) -> None:
    """InputError when the weights in the folder are not those that were shipped."""
    try:
        digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        shipped = read_json(folder / ORIGIN)["sha256"]
    except (OSError, ValueError, KeyError):
        digest, shipped = "", "unknown"
    if digest != shipped:
        raise InputError(
            f"{folder / WEIGHTS}: not the weights that were shipped; check the file out again, or "
            "set backbone.source to synthetic"
        )
