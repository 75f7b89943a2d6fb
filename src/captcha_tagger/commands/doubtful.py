"""The doubtful command: names that the last run doubts -> proposed corrections, to be reviewed.

They come from the validation part, whose images the model had not seen.
"""

import sys
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import read_table
from captcha_tagger.ingest.corrections import (
    DROP,
    Correction,
    read_corrections,
    write_corrections,
)

USED = ("file", "text", "sureness", "suggestion")
NAMES = Path("data/top_losses/doubtful_names.csv")


def propose_corrections(names: Path, out: Path) -> int:
    """Add the proposals to the corrections in `out`, whose own rows stay; return how many."""
    if not names.is_file():
        raise InputError(f"{names}: no such file; run dvc repro")
    corrections = read_corrections(out, "keep") if out.exists() else {}
    proposed = {
        row["file"]: Correction(row["suggestion"], _say_why(row))
        for row in read_table(names, USED)
        if row["file"] not in corrections and _is_clear(row)
    }
    write_corrections(out, proposed | corrections)
    return len(proposed)


def _is_clear(row: dict[str, str]) -> bool:
    """Whether one text is proposed; `drop` as a text would take the image out."""
    if row["suggestion"] not in ("", DROP):
        return True
    print(
        f"captcha-tagger doubtful: {row['file']}: look at it: what it shows instead of "
        f"{row['text']!r} is left to you",
        file=sys.stderr,
    )
    return False


def _say_why(row: dict[str, str]) -> str:
    return f"named {row['text']}, the model is sure by {float(row['sureness']):.3f}"
