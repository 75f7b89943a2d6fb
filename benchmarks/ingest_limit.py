"""What limits ingest: the CPU time of an image, part by part, on one core.

    python benchmarks/ingest_limit.py FOLDER [--runs 5]

FOLDER holds png images named after their texts. The parts: reading the file; inflating its
compressed pixels, which any decoder has to do; Pillow opening, decoding and converting it; our
decoder, which adds limits, EXIF and transparency; and all of ingest, which adds digests, texts, and
the writing of pixels and rows. Each with the CPU time of an image, the median of the runs, and how
many images a second all cores could do if nothing else cost anything.
"""

import argparse
import resource
import statistics
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from machine import describe_machine
from PIL import Image
from tabulate import tabulate

from captcha_tagger.base.work.processes import count_cores
from captcha_tagger.data.pixels import Shape
from captcha_tagger.ingest.ingest import ingest
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.params import load_params
from captcha_tagger.source.decoding import decode

CHUNK = struct.Struct(">I4s")  # of a PNG: how many bytes follow, and what they are
SIGNATURE_BYTES, CHECKSUM_BYTES = 8, 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    params = load_params().ingest
    files = sorted(args.folder.rglob("*.png"))
    images = [file.read_bytes() for file in files]
    with Image.open(files[0]) as first:
        shape = Shape(channels=1, height=first.height, width=first.width)
    params = params.model_copy(
        update={"height": shape.height, "width": shape.width, "color": "grey"}
    )
    ours = partial(decode, max_pixels=params.max_image_pixels, **shape._asdict())
    parts: dict[str, Callable[[], object]] = {
        "reading the file": lambda: [file.read_bytes() for file in files],
        "inflating": lambda: [inflate(image) for image in images],
        "Pillow": lambda: [decode_by_pillow(image) for image in images],
        "our decoder": lambda: [ours(data=image) for image in images],
        "all of ingest": lambda: ingest_quietly(args.folder, params),
    }
    print(f"{describe_machine()}; {len(files)} images, {args.runs} runs\n")
    rows = [[name, *measure(part, len(files), args.runs)] for name, part in parts.items()]
    columns = ["part", "us an image", "images/s on all cores"]
    print(tabulate(rows, columns, "github", floatfmt=",.0f"))


def inflate(image: bytes) -> bytes:
    """The decompressed pixels of a PNG."""
    packed, place = [], SIGNATURE_BYTES
    while place < len(image):
        size, kind = CHUNK.unpack_from(image, place)
        place += CHUNK.size
        if kind == b"IDAT":
            packed.append(image[place : place + size])
        place += size + CHECKSUM_BYTES
    return zlib.decompress(b"".join(packed))


def decode_by_pillow(image: bytes) -> Image.Image:
    with Image.open(BytesIO(image)) as opened:
        return opened.convert("L")


def ingest_quietly(source: Path, params: Ingest) -> None:
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        ingest(source, params, Path(folder))


def measure(part: Callable[[], object], images: int, runs: int) -> Sequence[float]:
    """Median microseconds of CPU time an image, and so many images a second on all cores."""
    part()
    taken = []
    for _ in range(runs):
        started = cpu_seconds()
        part()
        taken.append((cpu_seconds() - started) / images)
    seconds = statistics.median(taken)
    return 1e6 * seconds, count_cores() / seconds


def cpu_seconds() -> float:
    """Of this process and of those that have ended: many images are decoded by others."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    main()
