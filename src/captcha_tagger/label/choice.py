"""Which model proposes: one that was trained on these images, else the shipped backbone.

A source and the params of ingest -> a Reader. The backbone takes images in the shape that ingest
would choose if it knew the texts: so they are read first, in shapes for texts of a usual length.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.processes import in_batches
from captcha_tagger.data.manifest import iterate_manifest
from captcha_tagger.data.pixels import Pixels, Shape
from captcha_tagger.data.readings import Reading
from captcha_tagger.data.sheet import pick_samples
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.scale import GAIN
from captcha_tagger.ingest.shape import choose_shape, larger_shapes, look_at
from captcha_tagger.label.reader import Reader, read_by_backbone
from captcha_tagger.source.decoding import decode
from captcha_tagger.source.decoding_process import DecodingProcess
from captcha_tagger.source.limits import Found
from captcha_tagger.source.source import Source

SAMPLED, BATCH = 100, 20  # images
USUAL_TEXT = "00000"
SMALL = Shape(1, 16, 16)  # to see whether an image can be decoded at all
UNREAD = -3.0  # the log prob of a character where none is read


class Attempt(NamedTuple):
    """What the backbone reads in images of one shape, and the mean log prob of a character."""

    reader: Reader
    read: list[Found]
    surety: float


def is_made_from(manifest: Path, source: Source) -> bool:
    """Whether every image that the manifest lists is in the source."""
    if not manifest.is_file():
        return False
    names = set(source.names)
    return all(row.file in names for row in iterate_manifest(manifest))


def choose_backbone(source: Source, params: Ingest, process: DecodingProcess) -> Reader:
    """The shipped backbone in the shape that suits a sample of the images, whatever size they are
    to be trained in: its head reads lines of its own height alone."""
    params = params.model_copy(update={"height": "auto", "width": "auto"})
    picked = source.read(pick_samples(range(source.num_files), SAMPLED))
    sampled = [found for found in picked if _decode(found, SMALL, process) is not None]
    usual = [found._replace(text=USUAL_TEXT) for found in sampled]
    attempts: dict[Shape, Attempt] = {}
    read = _read_best(usual, params, process, attempts).read
    return _read_best(read, params, process, attempts).reader


def _read_best(
    sampled: list[Found], params: Ingest, process: DecodingProcess, attempts: dict[Shape, Attempt]
) -> Attempt:
    """Of the shapes that suit the texts, that in which the backbone is surest of what it reads."""
    sights = look_at(sampled, params)
    shape = choose_shape(sights, params)
    shapes = [shape, *larger_shapes(shape, sights, params)]
    for one in shapes:
        if one not in attempts:
            attempts[one] = _try(sampled, one, params, process)
    best = attempts[shape]
    for one in shapes[1:]:
        if attempts[one].surety > best.surety + GAIN:
            best = attempts[one]
    return best


def _try(sampled: list[Found], shape: Shape, params: Ingest, process: DecodingProcess) -> Attempt:
    reader = read_by_backbone(shape, params.case)
    read: list[Found] = []
    log_probs: list[float] = []
    for batch in in_batches(sampled, BATCH):
        decoded = [(found, _decode(found, shape, process)) for found in batch]
        pairs = [(found, pixels) for found, pixels in decoded if pixels is not None]
        if pairs:
            seen = reader.look(np.stack([pixels for _, pixels in pairs]))
            readings = reader.read(seen.log_probs, [])
            log_probs += map(_log_prob, readings)
            read += [
                found._replace(text=reading.text or found.text)
                for (found, _), reading in zip(pairs, readings, strict=True)
            ]
    return Attempt(reader, read, float(np.mean(log_probs or [UNREAD])))


def _decode(found: Found, shape: Shape, process: DecodingProcess) -> Pixels | None:
    if found.refusal:
        return None
    try:
        function = partial(decode, max_pixels=process.max_pixels, **shape._asdict())
        return process.run(function, found.data)
    except InputError:
        return None


def _log_prob(reading: Reading) -> float:
    """That of one of the text's characters."""
    if not reading.text:
        return UNREAD
    return float(np.log(max(reading.confidence, np.finfo(float).tiny))) / len(reading.text)
