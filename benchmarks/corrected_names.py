"""Wrong names among the training images: found, corrected by a file, and recorded beside the first.

    python benchmarks/corrected_names.py FOLDER [--wrong 10] [--seed 0]

FOLDER holds captchas named after their texts. In a copy of it, some names are made wrong, each by a
character, so that split puts all of these images into the training part. Then, in a fresh clone of
what is committed here: adopt, repro, doubtful; the proposals for these names are kept, as a review
would, and all others listed, to be looked at; the corrected run is a DVC experiment. Figures, and
what MLflow has of both runs, come last.
"""

import argparse
import shutil
import sys
import tempfile
from itertools import count
from pathlib import Path

from fresh_clone import FreshClone, Transcript
from machine import describe_machine
from own_images import Texts, make_wrong, read_names, read_rows
from tabulate import tabulate
from trials import load_images, split

from captcha_tagger.base.files import hash_file, read_json
from captcha_tagger.data.manifest import read_manifest
from captcha_tagger.params import load_params

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.project import Recorded, read_store

COLUMNS = ["run", "corrections", "their MD5", "texts read right, held out", "status"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--wrong", type=int, default=10, help="names made wrong")
    parser.add_argument("--seed", type=int, default=0, help="which names")
    args = parser.parse_args()
    print(f"{describe_machine()}\n", flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        clone = FreshClone(Path.cwd(), Path(work) / "captcha-tagger")
        truth, wrong = plant(args.folder, clone.root / "data" / "mine", args.wrong, args.seed)
        correct(clone, truth, wrong)


def plant(folder: Path, copy: Path, number: int, seed: int) -> tuple[Texts, set[str]]:
    """A copy of the folder with so many wrong names, all of them in the training part."""
    truth = read_names(folder)
    among = find_training(folder)
    for trial in count(seed):
        shutil.copytree(folder, copy)
        found, wrong = make_wrong(copy, truth, number, among, trial)
        if wrong <= find_training(copy):
            return found, wrong
        shutil.rmtree(copy)
    raise AssertionError


def find_training(folder: Path) -> set[str]:
    """The files that split leaves in the training part."""
    params = load_params()
    data = split(load_images(folder, params), params)
    return {data.rows[row].file for row in data.train.tolist()}


def correct(clone: FreshClone, truth: Texts, wrong: set[str]) -> None:
    """Adopt, repro, doubtful, and a run with the corrections; print each and what came of it."""
    transcript = Transcript(clone)
    transcript.run("captcha-tagger adopt data/mine")
    transcript.run("git commit -qam 'Adopt captchas'")
    transcript.run("dvc repro")
    parts = read_json(clone.root / "data" / "split" / "parts.json")
    rows = read_manifest(clone.root / "data" / "ingest" / "manifest.jsonl")
    print(f"{len(wrong & {rows[row].file for row in parts['train']})} wrong names in training")
    transcript.run("captcha-tagger doubtful")
    table = clone.root / "corrections.csv"
    proposed = read_rows(table)
    ranks = [rank for rank, (file, _) in enumerate(proposed, start=1) if file in wrong]
    right = sum(truth[file] == text for file, text in proposed if file in wrong)
    print(f"\n{len(ranks)} of {len(wrong)} found, at ranks {ranks}; {right} with the right text")
    for rank, (file, text) in enumerate(proposed, start=1):
        if file not in wrong:
            print(f"not made wrong, at rank {rank}: {file}, perhaps {text}")
            transcript.run(f"sed -i '/^{file},/d' corrections.csv")
    transcript.run("dvc exp run -n corrected")
    clone.settle()
    records = read_store(f"sqlite:///{clone.root / 'mlflow.db'}")
    assert records[-1].tags["corrections_md5"] == hash_file(table)
    print(f"\n{tabulate(list(map(describe, records)), COLUMNS, 'github')}")


def describe(record: Recorded) -> list[object]:
    return [
        record.tags["mlflow.runName"],
        record.tags.get("corrections", "none"),
        record.tags.get("corrections_md5", ""),
        f"{record.metrics['text_accuracy']:.2%}",
        record.status,
    ]


if __name__ == "__main__":
    main()
