"""The predict command: files, folders and globs -> a table for people or JSON for programs.

A file that cannot be read is reported and the rest go on.
"""

import glob
import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from captcha_tagger.decoding import Pixels
from captcha_tagger.errors import InputError
from captcha_tagger.predict import Prediction, Predictor

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")
CHUNK = 512  # images decoded before the next are read, so memory does not grow with the folder
PROGRESS_FROM = 100
REFERENCE = re.compile(r"[0-9a-f]{32}|@?[\w-]+|[\w-]+@[\w-]+|models:/.+|runs:/.+")


def tag(paths: list[str], model: str, *, as_json: bool) -> int:
    """Print what the images contain; returns 0, or 1 when a file could not be used.

    InputError when there is no image at all or none could be used.
    """
    files = find_images(paths)
    predictor = Predictor(find_model(model))
    done: list[tuple[Path, Prediction]] = []
    failed = 0
    with tqdm(total=len(files), disable=None if len(files) >= PROGRESS_FROM else True) as bar:
        for start in range(0, len(files), CHUNK):
            chunk = files[start : start + CHUNK]
            good = list(_decode(predictor, chunk))
            failed += len(chunk) - len(good)
            predictions = predictor.predict([pixels for _, pixels in good])
            found = list(zip((file for file, _ in good), predictions, strict=True))
            if not as_json:
                _print_table(found, bar)
            done += found
            bar.update(len(chunk))
    if as_json:
        print(json.dumps([_as_json(file, found) for file, found in done], ensure_ascii=False))
    if not done:
        raise InputError(f"none of {len(files)} files could be used")
    return 1 if failed else 0


def find_images(paths: list[str]) -> list[Path]:
    """The image files named, those in folders named (any nesting), and those that globs match."""
    found: dict[Path, None] = {}
    for name in paths:
        path = Path(name)
        matches = [path] if path.exists() else _match(name)
        if not matches:
            raise InputError(f"{name}: no such file or folder")
        for match in matches:
            inside = sorted(match.rglob("*")) if match.is_dir() else [match]
            for file in inside:
                if file.is_file() and (file == path or file.suffix.lower() in IMAGES):
                    found[file] = None
    if not found:
        raise InputError(f"{', '.join(paths)}: no image there ({', '.join(IMAGES)})")
    return list(found)


def _match(pattern: str) -> list[Path]:
    """What a glob matches that the shell did not expand."""
    return sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207


def find_model(name: str) -> Path:
    """A model folder by its path, or by an MLflow run id, alias (`@champion`) or models:/ URI."""
    path = Path(name)
    if path.exists() or not REFERENCE.fullmatch(name):
        return path
    from captcha_tagger import registry  # slow to import, and only needed here

    return registry.find_model(name)


def _decode(predictor: Predictor, files: list[Path]) -> Iterator[tuple[Path, Pixels]]:
    def read(file: Path) -> Pixels | str:
        try:
            return predictor.decode(file.read_bytes())
        except (InputError, OSError) as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        for file, pixels in zip(files, pool.map(read, files), strict=True):
            if isinstance(pixels, str):
                tqdm.write(f"{file}: {pixels}", file=sys.stderr)
            else:
                yield file, pixels


def _print_table(found: list[tuple[Path, Prediction]], bar: Any) -> None:
    width = max((len(str(file)) for file, _ in found), default=0)
    for file, prediction in found:
        likely = sorted(prediction.labels, key=lambda label: -prediction.probs[label])
        shown = "  ".join(f"{label} {prediction.probs[label]:.3f}" for label in likely)
        bar.write(f"{file!s:{width}}  {''.join(prediction.labels):8}  {shown}", file=sys.stdout)


def _as_json(file: Path, found: Prediction) -> dict[str, Any]:
    return {
        "file": str(file),
        "labels": found.labels,
        "probs": found.probs,
        "threshold": found.threshold,
    }
