"""Make the shipped backbone again: faces from the npm registry, drawings, hours of one core.

python -m captcha_tagger.backbone.ship FACES

FACES is a folder that keeps the downloaded faces. One thread in bfloat16 on a CPU: another kind of
machine, or another version of what origin.json lists, gives other bits.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from captcha_tagger.backbone.pretraining import pretrain
from captcha_tagger.backbone.recipe import Recipe
from captcha_tagger.backbone.shipped import FOLDER, ORIGIN, hash_shipped
from captcha_tagger.base.files import write_json
from captcha_tagger.drawing.faces import matplotlib_faces
from captcha_tagger.drawing.texts import VOCABULARY
from captcha_tagger.engine.compute import set_up
from captcha_tagger.engine.params import Compute
from captcha_tagger.engine.resume import ResumeFile, fingerprint
from captcha_tagger.network.backbone_folder import BackboneCard, backbone_weights, save_backbone
from captcha_tagger.network.card import Architecture

DONE = "complete"  # a file that says that all faces were unpacked
FAMILIES = Path(__file__).with_name("families.txt")  # npm packages, all under open licences
STYLES = tuple(
    f"-latin-{weight}.woff2"
    for weight in (
        "400-normal", "500-normal", "700-normal", "900-normal", "400-italic", "700-italic",
    )
)  # fmt: skip
ARCHITECTURE = Architecture(name="compact", output_stride=8, dropped_stages=0)
IMAGES, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, SEED, REPORTS = 608_000, 64, 1e-2, 0.05, 0, 19
COMPUTE = Compute(
    device="cpu", threads=1, precision="bfloat16", deterministic=True, save_every_seconds=60,
    workers=1, cluster=None,
)  # fmt: skip
PACKAGES = ("matplotlib", "numpy", "pillow", "torch")


def ship(folder: Path) -> None:
    """Pretrain on the faces in the folder, fetched if need be, and replace the shipped files."""
    faces = [*fetch_faces(folder), *matplotlib_faces()]
    recipe = Recipe(IMAGES, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, SEED, faces, REPORTS)
    machine = set_up(COMPUTE)
    key = fingerprint("backbone", [describe(recipe), str(machine)], [])
    resume = ResumeFile("ship", key, every_seconds=COMPUTE.save_every_seconds)
    started = time.monotonic()
    model = pretrain(ARCHITECTURE, recipe, machine, resume)
    card = BackboneCard(architecture=ARCHITECTURE, source="shipped", alphabet=VOCABULARY)
    write_shipped(card, backbone_weights(model), recipe, time.monotonic() - started)
    resume.remove()


def write_shipped(
    card: BackboneCard, weights: dict[str, torch.Tensor], recipe: Recipe, seconds: float
) -> None:
    with TemporaryDirectory(dir=FOLDER.parent) as beside:
        made = Path(beside) / FOLDER.name
        save_backbone(card, weights, made)
        origin = {"sha256": hash_shipped(made), "seconds": round(seconds), **describe(recipe)}
        write_json(made / ORIGIN, origin)
        shutil.rmtree(FOLDER, ignore_errors=True)
        made.rename(FOLDER)


def describe(recipe: Recipe) -> dict[str, Any]:
    """All that the weights follow from, but the code."""
    return {
        "images": recipe.images,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
        "seed": recipe.seed,
        "faces": len(recipe.faces),
        "faces_sha256": hash_files(recipe.faces),
        "versions": {name: version(name) for name in PACKAGES},
    }


def fetch_faces(folder: Path) -> list[Path]:
    """The faces of all families, sorted by name."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / DONE).exists():
        packages = FAMILIES.read_text(encoding="utf-8").split()
        subprocess.run(["npm", "pack", "--silent", *packages], cwd=folder, check=True)
        for package in sorted(folder.glob("*.tgz")):
            _unpack(package, folder)
        (folder / DONE).touch()
    return sorted(folder.glob("*.woff2"))


def hash_files(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _unpack(package: Path, folder: Path) -> None:
    with tarfile.open(package) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.name.endswith(STYLES) else None
            if file is not None:
                (folder / Path(member.name).name).write_bytes(file.read())


if __name__ == "__main__":
    ship(Path(sys.argv[1]))
