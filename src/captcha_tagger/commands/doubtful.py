"""The doubtful command: texts doubted by models that have not seen the image -> corrections.

These are proposals. Review them: ingest takes whatever the file says.
"""

import sys
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import check_output
from captcha_tagger.data.dataset import load_unsplit
from captcha_tagger.engine.compute import set_up
from captcha_tagger.params import Params
from captcha_tagger.review.candidates import append_candidates, rank_candidates, read_known
from captcha_tagger.review.folds import judge

INGEST, BACKBONE = Path("data/ingest"), Path("data/backbone")


def propose_corrections(params: Params, out: Path, *, folds: int, first: int) -> int:
    """Judge every image, and add the first so many proposals to `out`; return how many."""
    for folder in (INGEST, BACKBONE):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; run dvc repro ingest backbone")
    check_output("--out", out, ".csv")
    read_known(out)  # a damaged file is told now, not after the training
    data = load_unsplit(INGEST)
    machine = set_up(params.compute)
    verdicts = judge(
        data,
        BACKBONE,
        params,
        params.split,
        machine,
        folds=folds,
        every_seconds=params.compute.save_every_seconds,
    )
    chosen = append_candidates(out, rank_candidates(data, verdicts), first)
    for one in chosen:
        if not one.is_clear:
            print(
                f"captcha-tagger doubtful: {one.file}: look at it: what it shows instead of "
                f"{one.text!r} is left to you",
                file=sys.stderr,
            )
    return sum(one.is_clear for one in chosen)
