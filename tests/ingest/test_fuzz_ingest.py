"""Damaged and hostile images and archives by seeded mutation: each ends as a row or a reason."""

import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_table
from captcha_tagger.base.shown import UNFIT
from captcha_tagger.data.manifest import read_manifest
from captcha_tagger.data.pixels import open_pixels
from captcha_tagger.ingest import ingest as intake
from captcha_tagger.params import load_params
from tests.hostile import TEXTS, draw, encode, pack, png
from tests.repository import PARAMS_FILE

PARAMS = load_params(PARAMS_FILE).ingest.model_copy(
    update={"height": 16, "width": 32, "max_rejected": 1.0, "max_image_pixels": 100_000}
)
MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "BMP": ["1", "L", "P", "RGB"],
    "WEBP": ["RGB", "RGBA"],
    "GIF": ["L", "P"],
    "TIFF": ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"],
}
ENDINGS = [
    ".png",
    ".PNG",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".webp",
    ".gif",
    ".tiff",
    ".tif",
    ".txt",
    ".zip",
]
STEMS = ["ab1", "ab1_2", "AB1", "a b", "-rf", "..", "=cmd|'calc'!A0", "<img src=x>", "a" * 250]
STEMS += ["\N{GRINNING FACE}", "é", "e\u0301", "שלום", "a\u202eb", "a\nb", "a\rb"]
PATHS = ["", "deep/er/", "../", "/", "C:/", "a\\", "__MACOSX/", "./", "a/../../"]
NUMBERS = [0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]


def make_bases():
    exif = Image.Exif()
    exif[0x0112] = 8
    bases = [
        encode(draw(seed, mode, (33, 17)), kind)
        for kind, modes in MODES.items()
        for seed, mode in enumerate(modes)
    ]
    frames = [draw(seed).quantize(8) for seed in range(3)]
    return [
        *bases,
        encode(draw(1), "JPEG", exif=exif, icc_profile=bytes(200), progressive=True),
        encode(frames[0], "GIF", save_all=True, append_images=frames),
        encode(draw(1), "TIFF", compression="tiff_lzw"),
    ]


def damage(data, generator):
    """Return the bytes with one to four random injuries."""
    data = bytearray(data)
    for _ in range(generator.integers(1, 5)):
        place = int(generator.integers(0, len(data) + 1))
        length = int(generator.integers(1, 17))
        match generator.integers(0, 6):
            case 0:
                del data[place:]
            case 1:
                del data[place : place + length]
            case 2:
                data[place:place] = generator.bytes(length)
            case 3 if place < len(data):
                data[place] ^= 1 << int(generator.integers(0, 8))
            case 4:
                number = NUMBERS[generator.integers(0, len(NUMBERS))]
                order = "<>"[generator.integers(0, 2)]
                data[place : place + 4] = struct.pack(f"{order}I", number)
            case _:
                data[place:place] = data[place // 2 : place // 2 + 64]
    return bytes(data)


def choose(options, generator):
    return options[generator.integers(0, len(options))]


def ingest_accountably(source, out, num_files):
    """Ingest; whatever the source is, all of it is in manifest and rejects, once."""
    out.mkdir()
    try:
        intake.ingest(source, PARAMS, out)
    except InputError:
        return False
    rows = read_manifest(out / "manifest.jsonl")
    rejects = read_table(out / "rejects.csv")
    assert len(rows) + len(rejects) == num_files
    assert len(open_pixels(out / "pixels.npy")) == len(rows)
    assert [row for row in rejects if UNFIT.search(row["file"] + row["reason"])] == []
    return True


def fuzz_images(count, seed, folder):
    generator = np.random.default_rng(seed)
    bases = make_bases()
    source = folder / "images"
    (source / "deep").mkdir(parents=True)
    names = set()
    while len(names) < count:
        stem = f"{choose(STEMS, generator)[:100]}{generator.integers(0, 10**6)}"
        name = choose(["", "deep/"], generator) + stem + choose(ENDINGS, generator)
        if name in names:
            continue
        names.add(name)
        data = choose(bases, generator)
        (source / name).write_bytes(data if generator.random() < 0.1 else damage(data, generator))
    assert ingest_accountably(source, folder / "out", count)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def fuzz_archives(count, seed, folder):
    generator = np.random.default_rng(seed)
    bases = make_bases()
    whole = 0
    for number in range(count):
        entries = {f"{text}.png": png(seed) for seed, text in enumerate(TEXTS[:3])}
        for _ in range(4):
            name = choose(PATHS, generator) + choose(STEMS, generator) + choose(ENDINGS, generator)
            entries[name] = bytes(200_000) if generator.random() < 0.1 else choose(bases, generator)
        method = choose([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2], generator)
        archive = pack(folder / f"{number}.zip", entries, compression=method)
        if generator.random() < 0.8:
            archive.write_bytes(damage(archive.read_bytes(), generator))
        whole += ingest_accountably(archive, folder / f"out{number}", count_entries(archive))
    outside = [path for path in folder.iterdir() if not path.name.startswith("out")]
    assert len(outside) == count
    assert whole > count / 5


def count_entries(archive):
    try:
        with zipfile.ZipFile(archive) as file:
            return sum(not entry.is_dir() for entry in file.infolist())
    except Exception:
        return None


def test_two_thousand_damaged_images_are_all_accounted_for(tmp_path):
    fuzz_images(2000, seed=1, folder=tmp_path)


def test_damaged_archives_are_all_accounted_for(tmp_path):
    fuzz_archives(150, seed=2, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 15))
def test_thousands_more_damaged_images_are_all_accounted_for(tmp_path, seed):
    fuzz_images(4000, seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [20, 21])
def test_a_thousand_damaged_archives_are_all_accounted_for(tmp_path, seed):
    fuzz_archives(1000, seed, tmp_path)
