"""Folders of captchas as people have them: named after texts, some of them wrong, or by number.

A folder of captchas named after their texts -> such folders, and the truth about their files.
"""

import csv
import random
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from captcha_tagger.base.settings import load_section
from captcha_tagger.ingest.params import Ingest

Texts = dict[str, str]  # by file


def read_names(folder: Path) -> Texts:
    """What the names of the images say."""
    pattern = load_section("ingest", Ingest).name_pattern
    found = ((path, re.fullmatch(pattern, path.stem)) for path in sorted(folder.iterdir()))
    return {path.name: match["text"] for path, match in found if match}


def make_wrong(
    folder: Path, truth: Texts, number: int, among: Collection[str] = (), seed: int = 0
) -> tuple[Texts, set[str]]:
    """Give so many files names with one wrong character; the truth by the names of now, and the
    files of wrong names."""
    generator = random.Random(seed)
    characters = sorted(set("".join(truth.values())))
    found, wrong = dict(truth), set[str]()
    files = [file for file in sorted(among or truth) if truth[file] in file]
    while len(wrong) < number:
        file = generator.choice(files)
        text, place = truth[file], generator.randrange(len(truth[file]))
        others = [c for c in characters if c not in text and c not in text.swapcase()]
        says = text[:place] + generator.choice(others) + text[place + 1 :]
        renamed = file.replace(text, says, 1)
        if file in found and renamed not in found:
            (folder / file).rename(folder / renamed)
            found[renamed] = found.pop(file)
            wrong.add(renamed)
    return found, wrong


def number_images(folder: Path, out: Path, truth: Texts) -> Texts:
    """Copies whose names say nothing, in an order that says nothing either."""
    out.mkdir(parents=True)
    files = sorted(truth)
    random.Random(0).shuffle(files)
    numbered = {}
    for number, file in enumerate(files):
        new = f"{number:04}{Path(file).suffix}"
        shutil.copyfile(folder / file, out / new)
        numbered[new] = truth[file]
    return numbered


def review(table: Path, truth: Texts) -> tuple[set[str], list[str]]:
    """The files that a table of corrections is right about, and those it is not."""
    rows = read_rows(table)
    refused = [file for file, text in rows if text != truth[file]]
    return {file for file, _ in rows}.difference(refused), refused


def read_rows(table: Path) -> list[tuple[str, str]]:
    with table.open(newline="") as file:
        return [(row["file"], row["text"]) for row in csv.DictReader(file)]
