"""A source of images -> data/ingest: pixels, manifest, vocabulary, rejects.

Two passes. The first decodes every file once, in sorted order, and notes the outcome of each in a
spool; it can keep only the first image of equal pixels, since it has not seen later ones. The
second reads the spool, knows all conflicts, and writes manifest and rejects. Memory holds a few
batches, the names, and one digest and text per image: about 250 bytes a file.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from captcha_tagger.decoding import decode_sized
from captcha_tagger.errors import InputError
from captcha_tagger.files import write_json, write_table
from captcha_tagger.labels import label_set, read_text
from captcha_tagger.manifest import Row, format_row
from captcha_tagger.parallel import count_cores, map_in_order
from captcha_tagger.params import Ingest
from captcha_tagger.pixels import Pixels, PixelWriter
from captcha_tagger.source import Found, Limits, open_source

BATCH_FILES = 64
SHOWN_REJECTS = 3
CONFLICT = "conflict: the same pixels stand under another text"


@dataclass(frozen=True, slots=True)
class Judged:
    """One file: its row and pixels (channels, height, width), or why it has none."""

    file: str
    row: Row | None = None
    pixels: Pixels | None = None
    reason: str = ""
    clutter: bool = False


@dataclass(slots=True)
class Seen:
    """What the first pass knows of pixels: their text; which recur, and which under two texts."""

    texts: dict[str, str] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    conflicting: set[str] = field(default_factory=set)

    def add(self, row: Row) -> bool:
        """Return whether these pixels are new."""
        text = self.texts.get(row.pixels)
        if text is None:
            self.texts[row.pixels] = row.text
            return True
        self.repeated.add(row.pixels)
        if text != row.text:
            self.conflicting.add(row.pixels)
        return False


@dataclass(slots=True)
class Tally:
    """The second pass's counts; `excused` files are listed but held against nobody."""

    files: int = 0
    rows: int = 0
    rejected: int = 0
    excused: int = 0
    labels: set[str] = field(default_factory=set)
    first_rejects: list[str] = field(default_factory=list)
    dropped_pixels: list[int] = field(default_factory=list)


def ingest(source: Path, params: Ingest, folder: Path) -> Tally:
    """Fill the folder from the source; InputError when what it holds cannot be learned from."""
    spool = folder / "spool.jsonl"
    channels = 1 if params.color == "grey" else 3
    with PixelWriter(
        folder / "pixels.npy", channels=channels, height=params.height, width=params.width
    ) as writer:
        seen = _decode_all(source, params, writer, spool)
        tally = Tally()
        _write_manifest(folder / "manifest.jsonl", spool, seen, tally)
        writer.drop(tally.dropped_pixels)
    _check(tally, params.max_rejected, source)
    spool.unlink()
    write_json(folder / "vocabulary.json", sorted(tally.labels))
    return tally


def judge(found: Found, params: Ingest) -> Judged:
    """Read the file's text and pixels, or the reason why it has none."""
    if found.refusal:
        return Judged(found.file, reason=found.refusal, clutter=found.clutter)
    try:
        text = read_text(found.file, pattern=params.name_pattern, case=params.case)
        image = decode_sized(
            found.data,
            height=params.height,
            width=params.width,
            channels=1 if params.color == "grey" else 3,
            max_pixels=params.max_image_pixels,
        )
    except InputError as error:
        return Judged(found.file, reason=str(error))
    digest = hashlib.blake2b(image.pixels.data, digest_size=16).hexdigest()
    row = Row(found.file, text, digest, image.width, image.height)
    return Judged(found.file, row, image.pixels)


def _decode_all(source: Path, params: Ingest, writer: PixelWriter, spool: Path) -> Seen:
    seen = Seen()
    limits = Limits(
        params.max_files,
        params.max_file_bytes,
        params.max_total_bytes,
        params.max_compression_ratio,
    )
    with open_source(source, limits) as opened, spool.open("w", encoding="utf-8") as lines:
        batches = map_in_order(
            partial(_judge_batch, params=params), _batch(opened.files), threads=count_cores()
        )
        with tqdm(total=opened.num_files, unit=" images", desc="ingest", disable=None) as bar:
            for batch in batches:
                for judged in batch:
                    if judged.row and judged.pixels is not None and seen.add(judged.row):
                        writer.append(judged.pixels)
                    lines.write(_format_outcome(judged))
                bar.update(len(batch))
    return seen


def _judge_batch(batch: list[Found], params: Ingest) -> list[Judged]:
    return [judge(found, params) for found in batch]


def _batch(files: Iterator[Found]) -> Iterator[list[Found]]:
    while batch := list(islice(files, BATCH_FILES)):
        yield batch


def _format_outcome(judged: Judged) -> str:
    row = judged.row
    content = (
        [row.file, row.text, row.pixels, row.width, row.height]
        if row
        else [judged.file, judged.reason, judged.clutter]
    )
    return json.dumps(content) + "\n"


def _write_manifest(path: Path, spool: Path, seen: Seen, tally: Tally) -> None:
    """Write manifest.jsonl and, beside it, rejects.csv from the spool."""
    with path.open("w", encoding="utf-8", newline="\n") as manifest:
        rejects = _settle(spool, seen, tally, manifest)
        write_table(path.with_name("rejects.csv"), ["file", "reason"], rejects)


def _settle(spool: Path, seen: Seen, tally: Tally, manifest: TextIO) -> Iterator[tuple[str, str]]:
    """Write each row that stays, yield (file, reason) of each file that does not."""
    first_files: dict[str, str] = {}
    num_pixels = 0
    with spool.open(encoding="utf-8") as lines:
        for line in lines:
            tally.files += 1
            content = json.loads(line)
            if len(content) == 3:
                file, reason, excused = content
                yield _reject(tally, file, reason, excused=excused)
                continue
            row = Row(*content)
            first = first_files.get(row.pixels)
            if row.pixels in seen.repeated and first is None:
                first_files[row.pixels] = row.file
            if row.pixels in seen.conflicting:
                if first is None:
                    tally.dropped_pixels.append(num_pixels)
                yield _reject(tally, row.file, CONFLICT)
            elif first is not None:
                yield _reject(tally, row.file, f"same pixels and text as {first}", excused=True)
            else:
                tally.rows += 1
                tally.labels.update(label_set(row.text))
                manifest.write(format_row(row))
            num_pixels += first is None


def _reject(tally: Tally, file: str, reason: str, *, excused: bool = False) -> tuple[str, str]:
    if excused:
        tally.excused += 1
    else:
        tally.rejected += 1
        if len(tally.first_rejects) < SHOWN_REJECTS:
            tally.first_rejects.append(f"{file!r}: {reason}")
    return file, reason


def _check(tally: Tally, max_rejected: float, source: Path) -> None:
    counted = tally.rows + tally.rejected
    reasons = "; ".join(tally.first_rejects)
    if not counted:
        raise InputError(f"{source}: holds no images; set ingest.source")
    if not tally.rows:
        raise InputError(f"{source}: none of {counted} files can be used: {reasons}")
    if tally.rejected > max_rejected * counted:
        raise InputError(
            f"{source}: {tally.rejected} of {counted} files rejected, more than "
            f"ingest.max_rejected = {max_rejected} allows: {reasons}"
        )
    if len(tally.labels) < 2:
        only = "".join(tally.labels)
        raise InputError(f"{source}: {only!r} is the only label; there is nothing to tell apart")
