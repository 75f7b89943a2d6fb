"""What a source holds, told before it is used, and the params of ingest that suit it.

The names of images -> a pattern or a table's columns; ingest itself, into a folder that is thrown
away -> the lines that say what the stage will find.
"""

import io
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_table
from captcha_tagger.base.patterns import limit_pattern
from captcha_tagger.base.shown import escape
from captcha_tagger.data.manifest import iterate_manifest
from captcha_tagger.data.pixels import open_pixels
from captcha_tagger.data.sheet import pick_samples
from captcha_tagger.ingest.ingest import ingest_opened
from captcha_tagger.ingest.label_file import KAGGLE, read_labels
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.summary import Summary, summarize
from captcha_tagger.ingest.verdicts import Tally
from captcha_tagger.report.plots.figures import draw_samples
from captcha_tagger.source.decoding import FORMATS
from captcha_tagger.source.limits import refuse_name
from captcha_tagger.source.source import Source
from captcha_tagger.source.table import read_columns

PATTERNS = (  # the first of equals wins
    r"(?P<text>.+?)(?:[-_.]\d+)?",
    r"\d+[-_. ](?P<text>.+)",
    r"(?P<text>[^-_.]+)[-_.].+",
    r".+[-_.](?P<text>[^-_.]+)",
)
SAMPLED = 400  # files
SHOWN = 3
RUNNING = 20  # so many numbers in a row are no chance
COLUMNS = (KAGGLE, ("file", "text"), ("filename", "label"), ("image", "label"), ("image", "text"))


def list_images(opened: Source, source: Path | str) -> list[str]:
    """The names of the images in a folder or zip; InputError when there are none."""
    images = [name for name in opened.names if refuse_name(name) is None]
    if not images:
        raise InputError(f"{source}: holds no images")
    return images


def propose_pattern(images: Sequence[str], own: str = PATTERNS[0]) -> str:
    """The pattern by which most names hold texts of letters and digits, of one length; one of the
    user's own stays where it fits most names."""
    stems = [posixpath.splitext(posixpath.basename(name))[0] for name in images]
    sampled = [stems[place] for place in pick_samples(range(len(stems)), SAMPLED)]
    if own not in PATTERNS and _fits_most(own, sampled):
        return own
    return max(PATTERNS, key=lambda pattern: _rate(pattern, sampled))


class Match(NamedTuple):
    """A table's columns of image and text, its rows, and how many images it gives one text; and
    how many it has none for yet."""

    columns: tuple[str, str]
    rows: int
    labelled: int
    unlabelled: int


def match_table(table: Path, images: Sequence[str], own: Sequence[str]) -> Match:
    """Compare a table with the images; InputError when it has neither the user's own columns nor
    such as are usual."""
    first, second = own
    present = {column.lower() for column in read_columns(table)}
    has_own = (first, second) not in COLUMNS and present >= {first.lower(), second.lower()}
    for columns in ((first, second), *COLUMNS) if has_own else COLUMNS:
        try:
            labels = read_labels(table, columns, images)
        except InputError as error:
            reason = error
        else:
            return Match(columns, labels.rows, len(labels.texts), len(labels.unlabelled))
    raise reason


def survey(
    opened: Source, params: Ingest, folder: Path, sheet: Path | None
) -> tuple[list[str], Tally]:
    """Run ingest into an empty folder, and say in a few lines what it found; draw some of the
    images on a sheet, if one is wanted.

    InputError when nothing of it can be learned from.
    """
    lenient = params.model_copy(update={"max_rejected": 1.0})
    tally = ingest_opened(opened, params.source, lenient, folder)
    summary = summarize(iterate_manifest(folder / "manifest.jsonl"))
    if sheet:
        texts = [row.text for row in iterate_manifest(folder / "manifest.jsonl")]
        draw_samples(sheet, texts, open_pixels(folder / "pixels.npy"))
    reasons = Counter(row["reason"] for row in read_table(folder / "rejects.csv"))
    doubles = sum(count for why, count in reasons.items() if why.startswith("same pixels"))
    modes = _describe_modes(opened)
    lines = [
        f"images     {summary.images}, {doubles} doubles left out; {modes}",
        f"sizes      {_describe(f'{w}x{h}' for w, h in summary.sizes.elements())}",
        f"alphabet   {escape(''.join(sorted(summary.labels)))} ({len(summary.labels)} labels)",
        f"lengths    {_describe(summary.lengths.elements())}",
        f"case       {_describe_case(summary)}",
        *_doubt_numbers(summary),
        *_describe_rejects(reasons, tally),
    ]
    return lines, tally


def _fits_most(own: str, stems: Sequence[str]) -> bool:
    matches: list[bool] = []
    with limit_pattern("ingest.name_pattern", lambda: stems[len(matches)]):
        matches.extend(re.fullmatch(own, stem) is not None for stem in stems)
    return sum(matches) > len(matches) / 2


def _rate(pattern: str, stems: Sequence[str]) -> float:
    matches = [re.fullmatch(pattern, stem) for stem in stems]
    texts = [match["text"] for match in matches if match and match["text"].isalnum()]
    if len(set(texts)) == 1 < len(texts):
        return 0.0  # a word that all names share
    lengths = [len(text) for text in texts]
    most = Counter(lengths).most_common(1)[0][1] if lengths else 0
    return (len(lengths) + most) / len(stems)


def _describe_modes(opened: Source) -> str:
    """Formats and modes of some of the images, as their headers say."""
    modes: Counter[str] = Counter()
    for found in opened.read(pick_samples(range(opened.num_files), SAMPLED)):
        try:
            with Image.open(io.BytesIO(found.data), formats=FORMATS) as image:
                modes[f"{image.format} {image.mode}"] += 1
        except (OSError, ValueError, Image.DecompressionBombError):
            continue  # ingest says why
    return ", ".join(mode for mode, _ in modes.most_common(SHOWN))


def _describe(values: Iterable[object]) -> str:
    """The most frequent values with their counts."""
    counts = Counter(values).most_common()
    shown = ", ".join(f"{value} ({count})" for value, count in counts[:SHOWN])
    return shown + (f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")


def _describe_case(summary: Summary) -> str:
    letters = "".join(summary.labels)
    if letters.upper() == letters.lower():
        return "no letters"
    if letters == letters.lower():
        return "lower"
    if letters == letters.upper():
        return "upper"
    both = sum(label.swapcase() in summary.labels for label in summary.labels if label.islower())
    return f"mixed, {both} letters in both; where it means nothing, set ingest.case"


def _doubt_numbers(summary: Summary) -> list[str]:
    """A line where the texts are running numbers, which are more often names than texts."""
    if not all(text.isdecimal() for text in summary.texts):
        return []
    numbers = sorted(map(int, summary.texts))
    if len(numbers) < RUNNING or numbers[-1] - numbers[0] >= 2 * len(numbers):
        return []
    return ["           these are running numbers: if they are no texts, adopt a CSV of the texts"]


def _describe_rejects(reasons: Counter[str], tally: Tally) -> list[str]:
    if not tally.rejected:
        return ["rejects    none"]
    examples = [f"           {escape(file)}: {why}" for why, file in tally.examples.items()]
    return [f"rejects    {tally.rejected} of {tally.rejected + tally.rows}", *examples]
