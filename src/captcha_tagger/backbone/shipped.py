"""The backbone that comes with the package: pretrained once, long, on very many drawn looks.

`captcha_tagger.backbone.ship` makes its files: weights.safetensors and backbone.json as in
data/backbone/, and origin.json, which says from what they were made and holds the SHA-256 of both.
Copying them takes no torch, which takes 2 s to load.
"""

import hashlib
import shutil
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import atomic_folder, read_json
from captcha_tagger.network.card import BACKBONE_CARD, WEIGHTS

FOLDER = Path(__file__).parent / "weights"
ORIGIN = "origin.json"
SHIPPED = (WEIGHTS, BACKBONE_CARD)


def copy_shipped(out: Path) -> None:
    """Make a backbone folder of the shipped files; InputError when they are others."""
    check_shipped(FOLDER)
    with atomic_folder(out) as beside:
        for name in SHIPPED:
            shutil.copyfile(FOLDER / name, beside / name)


def check_shipped(folder: Path) -> None:
    """InputError when the files in the folder are not those that were shipped."""
    try:
        shipped, found = read_json(folder / ORIGIN)["sha256"], hash_shipped(folder)
    except (OSError, ValueError, KeyError, TypeError):
        shipped, found = None, {}
    if found != shipped:
        raise InputError(f"{folder}: not the files that were shipped; check them out again")


def hash_shipped(folder: Path) -> dict[str, str]:
    """The SHA-256 of the weights and of their card, by name."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in SHIPPED}
