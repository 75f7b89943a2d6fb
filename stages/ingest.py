"""Decode a folder or zip of labelled images once: pixels, manifest, rejects, a data report.

python stages/ingest.py SOURCE data/ingest
"""

from pathlib import Path

from captcha_tagger import stage
from captcha_tagger.data_report import summarize, write_report
from captcha_tagger.files import atomic_folder
from captcha_tagger.intake import ingest
from captcha_tagger.manifest import iterate_manifest
from captcha_tagger.params import load_params


def main(source: Path, out: Path) -> None:
    params = load_params().ingest
    with atomic_folder(out) as folder:
        tally = ingest(source, params, folder)
        summary = summarize(iterate_manifest(folder / "manifest.jsonl"))
        write_report(folder, summary, rejected=tally.rejected, excused=tally.excused)


if __name__ == "__main__":
    stage.run(main)
