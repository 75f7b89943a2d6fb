"""From a folder of captchas to a model, three times: a transcript of each command.

    python benchmarks/own_data.py FOLDER [--slip FILE=TEXT ...] [--wrong 10] [--typed 200]

FOLDER holds captchas named after their texts; --slip says what one shows whose name is wrong. Each
part works in a fresh clone of what is committed here: first with the folder as it is, but for some
names that are made wrong, to be found; then with images that are named by number, and a CSV; then
without any text, and a person at the page of `captcha-tagger label`, whom a real Chromium plays.
--parts runs only some anew, or none; of the others the page has what an earlier call kept under
.state/own-data/. Figures come last.
"""

import argparse
import csv
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fresh_clone import FreshClone, Transcript, shorten
from machine import describe_machine
from own_images import Texts, make_wrong, number_images, read_names, read_rows, review
from person import sit_down, tick_names
from tabulate import tabulate

from captcha_tagger.base.files import read_json, write_json

KEPT = Path(".state/own-data")
SHOW = "dvc exp show --only-changed --drop 'Created|State|Executor|data|label|loss|macro|micro'"
COLUMNS = ["part", "images", "what a person did", "texts read right, held out", "minutes"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("docs/own-data.md"))
    parser.add_argument("--slip", action="append", default=[], metavar="FILE=TEXT")
    parser.add_argument("--wrong", type=int, default=10, help="names made wrong")
    parser.add_argument("--typed", type=int, default=200, help="images labelled on the page")
    parser.add_argument("--parts", default=",".join(PARTS), help="of names, table and page")
    args = parser.parse_args()
    truth = read_names(args.folder) | dict(slip.split("=", 1) for slip in args.slip)
    KEPT.mkdir(parents=True, exist_ok=True)
    for part in filter(None, args.parts.split(",")):
        write_json(KEPT / f"{part}.json", run(part, args, truth))
    kept = [read_json(path) for part in PARTS if (path := KEPT / f"{part}.json").exists()]
    figures = tabulate([one["row"] for one in kept], COLUMNS, "github")
    sections = [introduce(args), *(one["section"] for one in kept), f"## In figures\n\n{figures}\n"]
    args.out.write_text("\n\n".join(sections), encoding="utf-8")
    print(f"\n{figures}\n\n{args.out}")


def run(part: str, args: argparse.Namespace, truth: Texts) -> dict[str, Any]:
    """A part's section of the page, and its row of the table."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        transcript = Transcript(FreshClone(Path.cwd(), Path(work) / "captcha-tagger"))
        did = PARTS[part](transcript, args, truth)
        scores = read_json(transcript.clone.root / "data" / "evaluate" / "metrics.json")
        transcript.clone.settle()
    minutes = round((time.monotonic() - begun) / 60, 1)
    row = [part, len(truth), did, f"{scores['text_accuracy']:.2%}", minutes]
    return {"section": str(transcript), "row": row}


def introduce(args: argparse.Namespace) -> str:
    return (
        "# From a folder of pictures to a model\n\n"
        f"`python benchmarks/own_data.py FOLDER` made this page from the captchas of *{name(args)}*"
        f" ({describe_machine()}). Every command ran as it stands here, in a fresh clone for each "
        "part, after `make setup` and `source .venv/bin/activate`. What DVC advises is left out, "
        "and so are the lines of epochs."
    )


def name(args: argparse.Namespace) -> str:
    return str(args.folder.resolve().name)


def with_names(transcript: Transcript, args: argparse.Namespace, truth: Texts) -> str:
    """A folder whose names say the texts, some of them wrong."""
    clone, folder = transcript.clone, f"data/{name(args)}"
    shutil.copytree(args.folder, clone.root / folder)
    truth, wrong = make_wrong(clone.root / folder, truth, args.wrong)
    wrong |= {slip.split("=", 1)[0] for slip in args.slip}
    transcript.say(
        f"## Names that say the texts\n\n`{folder}` holds the captchas, each named after its text."
        f" {args.wrong} names were made wrong beforehand, a character each"
        + (f"; {len(args.slip)} were wrong before." if args.slip else ".")
    )
    learn(transcript, folder)
    on_page = tick_names(clone.root / "data/top_losses/report.html", truth,
                         clone.root / "corrections.csv")  # fmt: skip
    transcript.say(
        "`make report` opens the page about the run. Its *File names to check* knows the images "
        f"that were held out: {on_page} wrong names were ticked there, and the download saved as "
        "`corrections.csv`. Then models that have not seen them judge all images:"
    )
    transcript.run("captcha-tagger doubtful")
    transcript.run("cat corrections.csv")
    found, refused = review(clone.root / "corrections.csv", truth)
    transcript.say(
        f"{len(found & wrong)} of the {len(wrong)} wrong names are among these. Reviewed: "
        + ("all rows are right." if not refused else f"{len(refused)} rows are not, and go.")
    )
    for file in refused:
        transcript.run(f"sed -i '/^{re.escape(file)},/d' corrections.csv")
    transcript.run("git add -A && git commit -qm 'Correct names'")
    transcript.run("dvc repro")
    experiment(transcript, "fine_tune.seed=1,2")
    return f"{len(found & wrong)} of {len(wrong)} wrong names corrected, {on_page} on the page"


def with_table(transcript: Transcript, args: argparse.Namespace, truth: Texts) -> str:
    """Images by number, and a CSV of their texts."""
    clone, folder = transcript.clone, f"data/{name(args)}"
    texts = number_images(args.folder, clone.root / folder / "images", truth)
    with (clone.root / folder / "codes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["filename", "label"], *texts.items()])
    transcript.say(
        f"## Texts in a CSV\n\nThe same captchas, named by number, in `{folder}/images`, and what "
        "they say in a table beside them."
    )
    transcript.run(f"head -n 4 {folder}/codes.csv")
    learn(transcript, f"{folder}/codes.csv")
    experiment(transcript, "read.decoding=greedy,beam")
    return "nothing"


def with_page(transcript: Transcript, args: argparse.Namespace, truth: Texts) -> str:
    """No texts but those that a person types."""
    clone, folder = transcript.clone, f"data/{name(args)}"
    texts = number_images(args.folder, clone.root / folder, truth)
    transcript.say(
        f"## No texts at all\n\nThe same captchas, named by number, in `{folder}`, and no table. "
        f"`label` shows them on a page; {args.typed} were labelled there, Enter where the proposal "
        "was right and the text typed where it was not."
    )
    line = f"captcha-tagger label {folder}"
    first = sit_down(clone, line, texts, args.typed)
    transcript.show(f"$ {line}\n{shorten(first.said, clone.root)}")
    transcript.say(
        f"The page said: {first.counts}. `adopt` finds `labels.csv` by itself; `--labels` names "
        "any other table."
    )
    learn(transcript, folder)
    experiment(transcript, "read.decoding=greedy,beam")
    labelled = dict(read_rows(clone.root / "labels.csv"))
    answers = json.loads(clone.run(f"captcha-tagger predict {folder} --json 2>/dev/null"))
    found = {Path(answer["file"]).name: answer["text"] for answer in answers}
    rest = texts.keys() - labelled.keys()
    right = sum(found[file] == texts[file] for file in rest)
    transcript.say(
        f"This model reads {right} of the {len(rest)} captchas right that nobody has labelled. The "
        "next round proposes what it reads:"
    )
    second = sit_down(clone, line, texts, min(10, len(rest)))
    transcript.show(f"$ {line}\n{shorten(second.said, clone.root)}")
    transcript.say(f"The page said: {second.counts}.")
    return (
        f"{first.accepted} times Enter, {first.typed} texts typed; then {right} of the other "
        f"{len(rest)} are read right"
    )


PARTS: dict[str, Callable[[Transcript, argparse.Namespace, Texts], str]] = {
    "names": with_names,
    "table": with_table,
    "page": with_page,
}


def learn(transcript: Transcript, source: str) -> None:
    """Adopt, and train."""
    transcript.run(f"captcha-tagger adopt {source}")
    transcript.run("git commit -qam 'Adopt our captchas'")
    transcript.run("dvc repro")
    transcript.run("dvc metrics show")


def experiment(transcript: Transcript, change: str) -> None:
    """Two experiments at a time, and the table of all."""
    transcript.run("git add -A && git commit -qm 'Keep the run'")
    transcript.run(f"dvc exp run --queue -S {change}")
    transcript.run("dvc queue start -j 2")
    transcript.clone.wait_for_queue()
    transcript.say("When `dvc queue status` says that both have ended:")
    transcript.run(SHOW)
    transcript.say("`--only-changed` gives no column to scores that are equal in all of them.")


if __name__ == "__main__":
    main()
