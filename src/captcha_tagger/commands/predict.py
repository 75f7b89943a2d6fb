"""The predict command: files, folders and globs -> a table for people or JSON for programs.

A file that cannot be read is reported and the rest go on.
"""

import glob
import json
import re
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

from tqdm import tqdm

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.processes import count_cores
from captcha_tagger.ingest.decoding import Pixels
from captcha_tagger.network.params import GREEDY, Read
from captcha_tagger.predict.predictor import BATCH, Prediction, Predictor

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")
PROGRESS_FROM = 100
REFERENCE = re.compile(r"[0-9a-f]{32}|@?[\w-]+|[\w-]+@[\w-]+|models:/.+|runs:/.+")

Answer = tuple[Path, Prediction | str]  # a file and what is in it, or why it cannot be used


def tag(paths: list[str], model: str, *, as_json: bool, how: Read = GREEDY) -> int:
    """Print what the images contain; returns 0, or 1 when a file could not be used.

    InputError when there is no image at all or none could be used.
    """
    files = find_images(paths)
    predictor = Predictor(find_model(model), how=how)
    width = max(len(str(file)) for file in files)
    done: list[tuple[Path, Prediction]] = []
    with (
        tqdm(total=len(files), disable=None if len(files) >= PROGRESS_FROM else True) as bar,
        closing(predict_files(predictor, files)) as batches,
    ):
        for batch in batches:
            found = []
            for file, answer in batch:
                if isinstance(answer, str):
                    bar.write(f"{file}: {answer}", file=sys.stderr)
                else:
                    found.append((file, answer))
            if found and not as_json:
                bar.write("\n".join(_as_line(*one, width) for one in found), file=sys.stdout)
            done += found
            bar.update(len(batch))
    if as_json:
        print(
            json.dumps(
                [{"file": str(file), **found.as_dict()} for file, found in done], ensure_ascii=False
            )
        )
    if not done:
        raise InputError(f"none of {len(files)} files could be used")
    return 1 if len(done) < len(files) else 0


def predict_files(predictor: Predictor, files: list[Path]) -> Generator[list[Answer]]:
    """The answers in the files' order, a batch at a time; each core works on a batch of its own."""
    batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
    pool = ThreadPoolExecutor(count_cores())
    try:
        yield from pool.map(partial(_answer, predictor), batches)
    finally:
        pool.shutdown(cancel_futures=True)


def _answer(predictor: Predictor, files: list[Path]) -> list[Answer]:
    decoded = [_decode(predictor, file) for file in files]
    found = iter(predictor.answer([pixels for pixels in decoded if not isinstance(pixels, str)]))
    return [
        (file, pixels if isinstance(pixels, str) else next(found))
        for file, pixels in zip(files, decoded, strict=True)
    ]


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
    from captcha_tagger.tracking import registry  # slow to import, and only needed here

    return registry.find_model(name)


def _decode(predictor: Predictor, file: Path) -> Pixels | str:
    try:
        return predictor.decode(file.read_bytes())
    except (InputError, OSError) as error:
        return str(error)


def _as_line(file: Path, found: Prediction, width: int) -> str:
    likely = sorted(found.labels, key=lambda label: -found.probs[label])
    shown = "  ".join(f"{label} {found.probs[label]:.3f}" for label in likely)
    if found.reading is None:
        return f"{file!s:{width}}  {''.join(found.labels):8}  {shown}"
    text, confidence = found.reading.text, found.reading.confidence
    return f"{file!s:{width}}  {text:8} {confidence:.3f}  {shown}"
