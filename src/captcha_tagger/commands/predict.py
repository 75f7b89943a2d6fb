"""The predict command: files, folders, globs, addresses -> a table for people, JSON or Parquet.

A file that cannot be read is reported and the rest go on. Printed answers come out batch by
batch, so that whatever ends the command leaves those before it; a Parquet file comes whole or not
at all.
"""

import json
import re
import sys
from collections.abc import Generator
from contextlib import closing, nullcontext
from pathlib import Path

from tqdm import tqdm

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import check_output
from captcha_tagger.base.settings import PARAMS, read_params
from captcha_tagger.base.shown import escape
from captcha_tagger.base.work.address import load_address
from captcha_tagger.network.params import GREEDY, Read
from captcha_tagger.predict.files import (
    FILES_HERE,
    Outcome,
    predict_files,
    predict_on_cluster,
)
from captcha_tagger.predict.images import find_images
from captcha_tagger.predict.named import File
from captcha_tagger.predict.parquet import stream_parquet
from captcha_tagger.predict.predictor import Prediction, Predictor

PROGRESS_FROM = 100
REFERENCE = re.compile(r"[0-9a-f]{32}|@?[\w-]+|[\w-]+@[\w-]+|models:/.+|runs:/.+")


def tag(
    paths: list[str], model: str, *, as_json: bool, how: Read = GREEDY, out: Path | None = None
) -> int:
    """Print what the images contain, or write it to a Parquet file; returns 0, or 1 when a file
    could not be used.

    InputError when there is no image at all or none could be used.
    """
    if out:
        check_output("--out", out, ".parquet")
    files = find_images(paths)
    answers = _predict(find_model(model), how, files)
    width = max(len(escape(str(file))) for file in files)
    num_done = 0
    with (
        stream_parquet(out) if out else nullcontext() as write,
        tqdm(total=len(files), disable=None if len(files) >= PROGRESS_FROM else True) as bar,
        closing(answers) as batches,
    ):
        for batch in batches:
            lines = []
            if write:
                write(batch)
            for file, answer in batch:
                if isinstance(answer, str):
                    bar.write(escape(f"{file}: {answer}"), file=sys.stderr)
                    continue
                num_done += 1
                if write:
                    continue
                if as_json:
                    row = json.dumps({"file": str(file), **answer.as_dict()})
                    lines.append(f"{',' if num_done > 1 else '['}{row}")
                else:
                    lines.append(_as_line(escape(str(file)), answer, width))
            if lines:
                bar.write("\n".join(lines), file=sys.stdout)
            bar.update(len(batch))
        if as_json and not out:
            bar.write("]" if num_done else "[]", file=sys.stdout)
        if not num_done:
            raise InputError(f"none of {len(files)} files could be used")
    return 1 if num_done < len(files) else 0


def _predict(model: Path, how: Read, files: list[File]) -> Generator[list[Outcome]]:
    """The answers of so many files by the cluster, if params.yaml names one."""
    predictor = Predictor(model, how=how)
    if len(files) > FILES_HERE and (address := _find_cluster()):
        return predict_on_cluster(address, predictor, files)
    return predict_files(predictor, files)


def _find_cluster() -> str | None:
    """The address in params.yaml, which may be missing or that of another project."""
    return load_address() if PARAMS.exists() and "compute" in read_params() else None


def find_model(name: str) -> Path:
    """A model folder by its path, or by an MLflow run id, alias (`@champion`) or models:/ URI."""
    path = Path(name)
    if path.exists() or not REFERENCE.fullmatch(name):
        return path
    from captcha_tagger.tracking import registry  # slow to import, and only needed here

    return registry.find_model(name)


def _as_line(file: str, found: Prediction, width: int) -> str:
    likely = sorted(found.labels, key=lambda label: -found.probs[label])
    shown = "  ".join(f"{label} {found.probs[label]:.3f}" for label in likely)
    if found.reading is None:
        return f"{file:{width}}  {''.join(found.labels):8}  {shown}"
    text, confidence = found.reading.text, found.reading.confidence
    return f"{file:{width}}  {text:8} {confidence:.3f}  {shown}"
