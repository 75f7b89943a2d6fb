"""Which model proposes: one that was trained on these images, else the shipped backbone.

A source and the params of ingest -> a Reader. The backbone takes images in the shape that ingest
would choose if it knew the texts: so their lengths are read first, in a shape for usual ones.
"""

from pathlib import Path

import numpy as np

from captcha_tagger.data.manifest import iterate_manifest
from captcha_tagger.data.pixels import Shape
from captcha_tagger.data.sheet import pick_samples
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.shape import SAMPLED, choose_shape, look_at
from captcha_tagger.label.candidates import View, view
from captcha_tagger.label.reader import Reader, read_by_backbone
from captcha_tagger.source.decoding_process import DecodingProcess
from captcha_tagger.source.limits import Found
from captcha_tagger.source.source import Source

USUAL_TEXT = "00000"
SMALL = Shape(1, 16, 16)  # to see whether an image can be decoded at all


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
    sampled = [found for found in picked if isinstance(view(found, SMALL, process), View)]
    usual = [found._replace(text=USUAL_TEXT) for found in sampled]
    reader = read_by_backbone(choose_shape(look_at(usual, params), params), params.case)
    shape = choose_shape(look_at(_read(sampled, reader, process), params), params)
    return reader if shape == reader.shape else read_by_backbone(shape, params.case)


def _read(sampled: list[Found], reader: Reader, process: DecodingProcess) -> list[Found]:
    """The images of the sample with the texts that are read in them."""
    views = ((found, view(found, reader.shape, process)) for found in sampled)
    pairs = [(found, one) for found, one in views if isinstance(one, View)]
    if not pairs:
        return []
    seen = reader.look(np.stack([one.pixels for _, one in pairs]))
    readings = reader.read(seen.log_probs, [])
    return [
        found._replace(text=reading.text)
        for (found, _), reading in zip(pairs, readings, strict=True)
    ]
