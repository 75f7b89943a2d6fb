"""Split the rows of the manifest into a training and a validation part.

python stages/split.py data/ingest data/split
"""

from pathlib import Path

from captcha_tagger.base import stage
from captcha_tagger.base.files import atomic_folder, write_json, write_table
from captcha_tagger.base.settings import load_section
from captcha_tagger.data.labels import encode_texts, read_vocabulary
from captcha_tagger.data.manifest import iterate_manifest
from captcha_tagger.split.params import Split
from captcha_tagger.split.splitting import group_rows, split_rows, tabulate_parts


def main(data: Path, out: Path) -> None:
    params = load_section("split", Split)
    rows = [(row.text, row.pixels) for row in iterate_manifest(data / "manifest.jsonl")]
    texts, pixels = [text for text, _ in rows], [digest for _, digest in rows]
    vocabulary = read_vocabulary(data / "vocabulary.json")
    targets = encode_texts(texts, vocabulary)
    parts = split_rows(targets, group_rows(texts, pixels), params)
    with atomic_folder(out) as folder:
        content = {"train": parts.train.tolist(), "validation": parts.validation.tolist()}
        write_json(folder / "parts.json", content)
        columns, table = tabulate_parts(targets, parts, vocabulary)
        write_table(folder / "parts.csv", columns, table)


if __name__ == "__main__":
    stage.run(main)
