"""What people without labels would pick: a ready OCR package, on the same images.

    python benchmarks/ocr.py FOLDER [--all]

Installs ddddocr into an environment of its own under .state/peers/ and prints how many texts and
label sets it reads. The 100 images that benchmarks/quality.py sets aside are left out, too.
"""

import argparse
import json
import subprocess
from pathlib import Path

from environments import make_environment
from trials import load_images, set_aside

from captcha_tagger.evaluate.intervals import wilson
from captcha_tagger.params import load_params

PACKAGE = "ddddocr==1.6.1"
READ = """
import json, sys, ddddocr
reader = ddddocr.DdddOcr(show_ad=False)
print(json.dumps([reader.classification(open(path, "rb").read()) for path in json.load(sys.stdin)]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="set nothing aside")
    args = parser.parse_args()
    data = load_images(args.folder, load_params())
    if not args.all:
        data, _ = set_aside(data)
    rows = [data.rows[row] for row in data.train]
    answers = read_texts([args.folder / row.file for row in rows])
    texts = sum(row.text == text for row, text in zip(rows, answers, strict=True))
    sets = sum(set(row.text) == set(text) for row, text in zip(rows, answers, strict=True))
    for name, right in (("texts", texts), ("exact sets", sets)):
        low, high = wilson(right, len(rows))
        share = right / len(rows)
        print(f"{PACKAGE}: {right} of {len(rows)} {name}, {share:.4f} ({low:.4f} to {high:.4f})")


def read_texts(paths: list[Path]) -> list[str]:
    run = subprocess.run(
        [make_environment("ddddocr", [PACKAGE]), "-c", READ],
        input=json.dumps([str(path) for path in paths]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers: list[str] = json.loads(run.stdout.splitlines()[-1])
    return answers


if __name__ == "__main__":
    main()
