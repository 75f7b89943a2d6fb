"""Decode a folder or zip of labelled images once: pixels, manifest, rejects, a data report.

python stages/ingest.py data/ingest
"""

from pathlib import Path

from captcha_tagger.base import stage
from captcha_tagger.base.files import atomic_folder
from captcha_tagger.base.settings import load_section
from captcha_tagger.base.work.address import load_address
from captcha_tagger.data.manifest import iterate_manifest
from captcha_tagger.ingest.ingest import ingest
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.summary import summarize, write_summary


def main(out: Path) -> None:
    params = load_section("ingest", Ingest)
    with atomic_folder(out) as folder:
        tally = ingest(params.source, params, folder, load_address())
        summary = summarize(iterate_manifest(folder / "manifest.jsonl"))
        write_summary(folder, summary, tally)


if __name__ == "__main__":
    stage.run(main)
