"""Fuzz the path from bytes to pixels and from archives to files, guided by coverage.

    pip install atheris        (not in the lock; Linux, and a Python that atheris has wheels for)
    python benchmarks/fuzz_ingest.py CORPUS -max_total_time=600 -rss_limit_mb=2000

CORPUS is a folder, made and filled with small images and archives when it is not there; what finds
new paths is added to it. Options are libFuzzer's. A crash leaves its input beside the script's
caller and ends the run; otherwise the size of the corpus is what libFuzzer prints last.
"""

import sys
import tempfile
from pathlib import Path

if {"-h", "--help"} & {*sys.argv}:  # atheris need not be installed to be told of
    print(__doc__)
    sys.exit()

import atheris

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

with atheris.instrument_imports(include=["captcha_tagger", "PIL"]):
    from captcha_tagger.base.errors import InputError
    from captcha_tagger.source.decoding import decode
    from captcha_tagger.source.limits import Limits
    from captcha_tagger.source.source import open_source

LIMITS = Limits(
    max_files=50, max_file_bytes=100_000, max_total_bytes=500_000, max_compression_ratio=200
)
ARCHIVE = Path(tempfile.mkdtemp()) / "fuzzed.zip"


def fuzz(data: bytes) -> None:
    """An archive gives each of its files once; an image its pixels; all else a reason."""
    if data.startswith(b"PK"):
        ARCHIVE.write_bytes(data)
        try:
            with open_source(ARCHIVE, LIMITS) as source:
                found = list(source.files)
        except InputError:
            return
        assert len(found) == source.num_files
        images = [file.data for file in found if not file.refusal]
    else:
        images = [data]
    for image in images:
        try:
            pixels = decode(image, height=16, width=32, channels=1, max_pixels=50_000)
        except InputError:
            continue
        assert pixels.shape == (1, 16, 32)


def fill_corpus(folder: Path) -> None:
    """Write small images of every format and mode, and archives of them."""
    from tests.hostile import TEXTS, pack, png
    from tests.ingest.test_fuzz_ingest import make_bases

    folder.mkdir(parents=True)
    for number, data in enumerate(make_bases()):
        (folder / f"image{number}").write_bytes(data)
    for method in (0, 8):
        entries = {f"deep/{text}.png": png(seed) for seed, text in enumerate(TEXTS[:3])}
        pack(folder / f"archive{method}", entries, compression=method)


def main() -> None:
    corpus = Path(sys.argv[1])
    if not corpus.exists():
        fill_corpus(corpus)
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
