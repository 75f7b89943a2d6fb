"""A source of images -> data/ingest: pixels, manifest, vocabulary, rejects, corrections.

Every file is read and decoded once, in batches, on all cores or by the tasks of a cluster; what
becomes of them is put together here, in sorted order. Memory holds a few batches, the names, and
the digest and text of each image: about 250 bytes a file. Where the backbone was asked for the
scale it holds torch, too: some 600 MB.
"""

import hashlib
import math
import shutil
import uuid
from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import write_json
from captcha_tagger.base.work.processes import count_cores, in_batches, map_batches
from captcha_tagger.base.work.session import open_session
from captcha_tagger.data.manifest import Row
from captcha_tagger.data.pixels import Pixels, PixelWriter, Shape
from captcha_tagger.data.sheet import pick_samples
from captcha_tagger.ingest.case import NAMES_SAMPLED, choose_case
from captcha_tagger.ingest.corrections import write_corrections
from captcha_tagger.ingest.known_texts import Known, KnownTexts, put, read_known_texts
from captcha_tagger.ingest.names import read_texts
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.shape import (
    SAMPLED,
    choose_shape,
    describe_shape,
    find_widest_text,
    larger_shapes,
    look_at,
)
from captcha_tagger.ingest.verdicts import (
    Reject,
    SeenPixels,
    Tally,
    check_tally,
    format_outcome,
    settle,
)
from captcha_tagger.source.decoding import CRASH, TooManyPixelsError, bound_memory, decode_sized
from captcha_tagger.source.limits import (
    FULL,
    Budget,
    Found,
    Limits,
    Listed,
    Opener,
    refuse_name,
)
from captcha_tagger.source.source import Source, open_source

BATCH_FILES = 64
# Starting processes takes as long as decoding so many images on one core (0.5 s).
SERIAL_FILES = 4000

TASK_FILES, TASK_BYTES = 1024, 16_000_000  # of a cluster: so many files, so many bytes of pixels


class Asked(NamedTuple):
    """A file that is yet to be judged, and what is known of it beside its name."""

    listed: Listed
    known: Known


class Judged(NamedTuple):
    """What became of a batch: its files' outcomes, and how many bytes each has, None where its name
    alone is refused. The pixels (images, channels, height, width) are those of its rows, or where
    they lie.
    """

    pixels: Pixels | Path
    outcomes: list[Row | Reject]
    sizes: list[int | None]


def ingest(source: Path | str, params: Ingest, folder: Path, cluster: str | None = None) -> Tally:
    """Fill the folder from the source; InputError when what it holds cannot be learned from.

    A large source is read by the tasks of the cluster, if there is one.
    """
    with open_source(source, limits_of(params), folder) as opened:
        return ingest_opened(opened, source, params, folder, cluster)


def ingest_opened(
    opened: Source, source: Path | str, params: Ingest, folder: Path, cluster: str | None = None
) -> Tally:
    """As ingest, of a source that is open already."""
    spool = folder / "spool.jsonl"
    known = read_known_texts(params, source, opened.names)
    excused = known.labels.reasons
    used = array("q", (n for n, name in enumerate(opened.names) if name not in excused))
    named = (Found(opened.names[n]) for n in pick_samples(used, NAMES_SAMPLED))
    known = known.fold(choose_case(known.put(named), params))
    shape = _choose_shape(opened, used, known)
    print(f"ingest: {describe_shape(shape)}")
    if number := len(known.skipped):
        print(f"ingest: {number} images without a text in {params.labels} are left out")
    with PixelWriter(folder / "pixels.npy", shape) as writer:
        # What was seen is let go of, before the source is listed once more.
        tally = settle(spool, _decode_all(opened, known, writer, spool, cluster), folder, shape)
        tally.case, tally.tables = known.params.case, known.describe()
        writer.drop(tally.dropped_pixels)
    check_tally(tally, params.max_rejected, source)
    spool.unlink()
    write_json(folder / "vocabulary.json", sorted(tally.labels))
    write_corrections(folder / "corrections.csv", known.corrections)
    return tally


def _choose_shape(opened: Source, used: Sequence[int], known: KnownTexts) -> Shape:
    sights = look_at(known.put(opened.read(pick_samples(used, SAMPLED))), known.params)
    shape = choose_shape(sights, known.params)
    if length := find_widest_text(shape, sights, known.params):
        print(f"ingest: a text of {length} characters makes all images {shape.width} pixels wide")
    larger = larger_shapes(shape, sights, known.params)
    if not larger:
        return shape
    from captcha_tagger.ingest.scale import ASKED, choose_scale  # torch takes 2 s to load

    sample = known.put(opened.read(pick_samples(used, ASKED)))
    chosen = choose_scale([shape, *larger], sample, known.params)
    if chosen != shape:
        print("ingest: larger images are read better: ingest.height can set another size")
    return chosen


def judge_batch(batch: Sequence[Asked], opener: Opener, params: Ingest, shape: Shape) -> Judged:
    """Read and decode the files."""
    with opener() as read:
        files = read(asked.listed for asked in batch)
        found = [put(one, asked.known) for one, asked in zip(files, batch, strict=True)]
    sizes = [
        None if refuse_name(asked.listed.name) else len(one.data)
        for asked, one in zip(batch, found, strict=True)
    ]
    texts = read_texts(found, params)
    pixels: list[Pixels] = []
    with bound_memory(params.max_image_pixels):
        outcomes = [
            text if isinstance(text, Reject) else _judge(one, text, params, shape, pixels)
            for one, text in zip(found, texts, strict=True)
        ]
    return Judged(np.array(pixels, np.uint8).reshape(-1, *shape), outcomes, sizes)


def write_part(
    batch: Sequence[Asked], judge: Callable[[Sequence[Asked]], Judged], folder: Path
) -> Judged:
    """Judge a batch, and leave its pixels in the folder, which is not made where it has gone.

    Who does so twice leaves the same file; a task may outlive the news of its death.
    """
    judged = judge(batch)
    path = folder / f"{batch[0].listed.place}-{len(batch)}.npy"
    beside = folder / f"{path.name}.{uuid.uuid4().hex}"
    with beside.open("xb") as file:
        np.save(file, _load(judged.pixels))
    beside.replace(path)
    return judged._replace(pixels=path)


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


def _decode_all(
    source: Source, known: KnownTexts, writer: PixelWriter, spool: Path, cluster: str | None
) -> SeenPixels:
    """Write the first image of each pixels, and to the spool what became of each file."""
    seen, budget = SeenPixels(), Budget(known.params.max_total_bytes)
    asked = (
        Asked(budget.limit(known.excuse(listed)), known.look_up(listed.name))
        for listed in source.list_files()
    )
    judge = partial(judge_batch, opener=source.opener, params=known.params, shape=writer.shape)
    on_crash = partial(_reject_crash, opener=source.opener, shape=writer.shape)
    if cluster and source.num_files > SERIAL_FILES:
        parts = spool.with_name("parts")
        results = _map_on_cluster(
            cluster, judge, asked, on_crash, parts, _count_files(writer.shape)
        )
    else:
        results = _map_here(judge, asked, source.num_files, on_crash)
    with (
        spool.open("w", encoding="utf-8") as lines,
        closing(results),
        tqdm(total=source.num_files, unit=" images", desc="ingest", disable=None) as bar,
    ):
        for judged in results:
            outcomes, kept = _spend(judged, budget, seen)
            writer.append(_load(judged.pixels)[kept])
            lines.writelines(map(format_outcome, outcomes))
            bar.update(len(outcomes))
        lines.writelines(map(format_outcome, known.labels.left_over))
    return seen


def _spend(
    judged: Judged, budget: Budget, seen: SeenPixels
) -> tuple[list[Row | Reject], list[bool]]:
    """The outcomes within the budget, and for each of the pixels whether they are to be kept."""
    outcomes: list[Row | Reject] = []
    kept = []
    for outcome, size in zip(judged.outcomes, judged.sizes, strict=True):
        covered = budget.covers(size)
        outcomes.append(outcome if covered else Reject(outcome.file, FULL))
        if isinstance(outcome, Row):
            kept.append(covered and seen.add(outcome))
    return outcomes, kept


def _load(pixels: Pixels | Path) -> Pixels:
    if not isinstance(pixels, Path):
        return pixels
    loaded: Pixels = np.load(pixels, allow_pickle=False)
    pixels.unlink()
    return loaded


def _reject_crash(asked: Asked, opener: Opener, shape: Shape) -> Judged:
    with opener() as read:
        (found,) = read([asked.listed])
    empty = np.empty((0, *shape), np.uint8)
    return Judged(empty, [Reject(asked.listed.name, CRASH)], [len(found.data)])


def _map_on_cluster(
    address: str,
    judge: Callable[[Sequence[Asked]], Judged],
    files: Iterator[Asked],
    on_crash: Callable[[Asked], Judged],
    parts: Path,
    files_a_task: int,
) -> Generator[Judged, None, None]:
    """As _map_here, by tasks: each leaves its pixels in a file, and the few words come back."""
    parts.mkdir()
    with open_session(address) as session:
        yield from session.map_batches(
            partial(write_part, judge=judge, folder=parts),
            in_batches(files, files_a_task),
            on_crash=on_crash,
        )
    shutil.rmtree(parts)


def _count_files(shape: Shape) -> int:
    """How many of them a task takes: a second's work, whose pixels fit into its memory."""
    return max(1, min(TASK_FILES, TASK_BYTES // math.prod(shape)))


def _map_here(
    judge: Callable[[Sequence[Asked]], Judged],
    files: Iterator[Asked],
    number: int,
    on_crash: Callable[[Asked], Judged],
) -> Generator[Judged, None, None]:
    """What becomes of the files, a batch after the other; of many on all cores."""
    yield from map_batches(
        judge,
        in_batches(files, BATCH_FILES),
        processes=count_cores() if number > SERIAL_FILES else 1,
        on_crash=on_crash,
    )


def limits_of(params: Ingest) -> Limits:
    """What the params allow a source to hold."""
    return Limits(
        params.max_files,
        params.max_file_bytes,
        params.max_total_bytes,
        params.max_compression_ratio,
    )
