"""The images of a folder or zip, looked at once and kept small.

A source, the params of ingest and a Reader -> Candidates: what can be shown, read and told apart.
"""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.shown import escape
from captcha_tagger.base.work.processes import in_batches
from captcha_tagger.data.pixels import Pixels, Shape
from captcha_tagger.ingest.verdicts import Reject
from captcha_tagger.label.reader import Reader, Seen
from captcha_tagger.source.decoding import decode, open_image
from captcha_tagger.source.decoding_process import DecodingProcess
from captcha_tagger.source.limits import Found
from captcha_tagger.source.source import Source

BATCH = 64  # images that the reader looks at together
PICTURE_SIDE = 800  # pixels, at most
PICTURE_QUALITY = 90


class View(NamedTuple):
    """One image as a WebP file for people, and as pixels for the model."""

    file: str
    picture: bytes
    pixels: Pixels


@dataclass(frozen=True)
class Candidates:
    """The images that can be labelled, row i of `seen` about file i."""

    files: list[str]
    pictures: list[bytes]
    seen: Seen


def look_at(source: Source, process: DecodingProcess, reader: Reader) -> Candidates:
    """Look at all images; what is none is said and left out. InputError where nothing is left."""
    shown: list[tuple[str, bytes]] = []
    seen: list[Seen] = []
    with tqdm(total=source.num_files, unit=" images", desc="label", disable=None) as bar:
        for batch in in_batches(source.files, BATCH):
            found = [view(one, reader.shape, process) for one in batch]
            views = [one for one in found if isinstance(one, View)]
            if views:
                shown += [(one.file, one.picture) for one in views]
                seen.append(reader.look(np.stack([one.pixels for one in views])))
            for refused in found:
                if isinstance(refused, Reject) and not refused.excused:
                    bar.write(f"{escape(refused.file)}: {refused.reason}", file=sys.stderr)
            bar.update(len(batch))
    if not shown:
        raise InputError("no image there that can be shown")
    return Candidates([file for file, _ in shown], [picture for _, picture in shown], _join(seen))


def view(found: Found, shape: Shape, process: DecodingProcess) -> View | Reject:
    """What there is to see of a file, or why there is nothing."""
    if found.refusal:
        return Reject(found.file, found.refusal, found.clutter)
    show = partial(_show, shape=shape, max_pixels=process.max_pixels)
    try:
        return View(found.file, *process.run(show, found.data))
    except InputError as error:
        return Reject(found.file, str(error))


def _show(data: bytes, shape: Shape, max_pixels: int) -> tuple[bytes, Pixels]:
    picture = _encode(open_image(data, max_pixels))
    return picture, decode(data, max_pixels=max_pixels, **shape._asdict())


def _join(seen: Sequence[Seen]) -> Seen:
    log_probs, features = zip(*((one.log_probs, one.features) for one in seen), strict=True)
    return Seen(np.concatenate(log_probs), np.concatenate(features))


def _encode(image: Image.Image) -> bytes:
    picture = image.convert("RGB")
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=PICTURE_QUALITY, method=2)
    return buffer.getvalue()
