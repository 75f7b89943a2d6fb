"""A source of images -> data/ingest: pixels, manifest, vocabulary, rejects, corrections.

Every file is read here, in sorted order, and decoded once, in batches on all cores. Memory holds a
few batches, the names, and the digest and text of each image: about 250 bytes a file.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import write_json
from captcha_tagger.base.processes import count_cores, map_batches
from captcha_tagger.data.manifest import Row
from captcha_tagger.data.pixels import Pixels, PixelWriter, Shape
from captcha_tagger.data.sheet import pick_samples
from captcha_tagger.ingest.case import NAMES_SAMPLED, choose_case
from captcha_tagger.ingest.corrections import write_corrections
from captcha_tagger.ingest.known_texts import KnownTexts, read_known_texts
from captcha_tagger.ingest.names import read_texts
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.shape import SAMPLED, choose_shape, describe_shape
from captcha_tagger.ingest.verdicts import (
    Reject,
    SeenPixels,
    Tally,
    check_tally,
    format_outcome,
    settle,
)
from captcha_tagger.source.decoding import CRASH, TooManyPixelsError, bound_memory, decode_sized
from captcha_tagger.source.limits import Found, Limits
from captcha_tagger.source.source import Source, open_source

BATCH_FILES = 64
# Starting processes takes as long as decoding so many images on one core (0.5 s).
SERIAL_FILES = 4000

Result = TypeVar("Result")
Judged = tuple[Pixels, list[Row | Reject]]


def ingest(source: Path, params: Ingest, folder: Path) -> Tally:
    """Fill the folder from the source; InputError when what it holds cannot be learned from."""
    spool = folder / "spool.jsonl"
    with open_source(source, limits_of(params)) as opened:
        known = read_known_texts(params, source, opened.names)
        used = [n for n, name in enumerate(opened.names) if name not in known.labels.reasons]
        named = (Found(opened.names[n]) for n in pick_samples(used, NAMES_SAMPLED))
        known = known.fold(choose_case(known.put(named), params))
        sampled = opened.read(pick_samples(used, SAMPLED))
        shape = choose_shape(known.put(sampled), known.params)
        print(f"ingest: {describe_shape(shape)}")
        if number := len(known.skipped):
            print(f"ingest: {number} images without a text in {params.labels} are left out")
        with PixelWriter(folder / "pixels.npy", shape) as writer:
            seen = _decode_all(opened, known, writer, spool)
            tally = settle(spool, seen, folder, shape)
            tally.case, tally.tables = known.params.case, known.describe()
            writer.drop(tally.dropped_pixels)
    check_tally(tally, params.max_rejected, source)
    spool.unlink()
    write_json(folder / "vocabulary.json", sorted(tally.labels))
    write_corrections(folder / "corrections.csv", known.corrections)
    return tally


def judge_batch(batch: Sequence[Found], params: Ingest, shape: Shape) -> Judged:
    """Return the pixels (images, channels, height, width) of the good files, and all outcomes."""
    texts = read_texts(batch, params)
    pixels: list[Pixels] = []
    with bound_memory(params.max_image_pixels):
        outcomes = [
            text if isinstance(text, Reject) else _judge(found, text, params, shape, pixels)
            for found, text in zip(batch, texts, strict=True)
        ]
    return np.array(pixels, np.uint8).reshape(-1, *shape), outcomes


def _judge(
    found: Found, text: str, params: Ingest, shape: Shape, pixels: list[Pixels]
) -> Row | Reject:
    try:
        image = decode_sized(found.data, max_pixels=params.max_image_pixels, **shape._asdict())
    except TooManyPixelsError as error:
        return Reject(found.file, f"{error}; ingest.max_image_pixels allows no more")
    except InputError as error:
        return Reject(found.file, str(error))
    pixels.append(image.pixels)
    digest = hashlib.blake2b(image.pixels.data, digest_size=16).hexdigest()
    return Row(found.file, text, digest, image.width, image.height)


def _decode_all(source: Source, known: KnownTexts, writer: PixelWriter, spool: Path) -> SeenPixels:
    """Write the first image of each pixels, and to the spool what became of each file."""
    seen = SeenPixels()
    with spool.open("w", encoding="utf-8") as lines:
        results = map_files(
            partial(judge_batch, params=known.params, shape=writer.shape),
            known.put(source.files),
            source.num_files,
            on_crash=partial(_reject_crash, shape=writer.shape),
        )
        with tqdm(total=source.num_files, unit=" images", desc="ingest", disable=None) as bar:
            for pixels, outcomes in results:
                rows = [outcome for outcome in outcomes if isinstance(outcome, Row)]
                writer.append(pixels[[seen.add(row) for row in rows]])
                lines.writelines(map(format_outcome, outcomes))
                bar.update(len(outcomes))
        lines.writelines(map(format_outcome, known.labels.left_over))
    return seen


def _reject_crash(found: Found, shape: Shape) -> Judged:
    empty = np.empty((0, *shape), np.uint8)
    return empty, [Reject(found.file, CRASH)]


def map_files(
    function: Callable[[Sequence[Found]], Result],
    files: Iterator[Found],
    number: int,
    on_crash: Callable[[Found], Result],
) -> Iterator[Result]:
    """The results of a function for batches of so many files, in order; many on all cores."""
    return map_batches(
        function,
        _batch(files),
        processes=count_cores() if number > SERIAL_FILES else 1,
        on_crash=on_crash,
    )


def _batch(files: Iterator[Found]) -> Iterator[list[Found]]:
    while batch := list(islice(files, BATCH_FILES)):
        yield batch


def limits_of(params: Ingest) -> Limits:
    """What the params allow a source to hold."""
    return Limits(
        params.max_files,
        params.max_file_bytes,
        params.max_total_bytes,
        params.max_compression_ratio,
    )
