"""The label command: a folder or zip of unlabelled images -> labels.csv, by a page on this machine.

The texts are proposed by a model that was trained on these images, if there is one, else by what
the shipped backbone reads in them.
"""

import errno
import secrets
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import lock_file
from captcha_tagger.base.places import state_folder
from captcha_tagger.base.settings import load_section
from captcha_tagger.commands.predict import find_model
from captcha_tagger.ingest.ingest import limits_of
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.label.app import make_app
from captcha_tagger.label.candidates import look_at
from captcha_tagger.label.choice import choose_backbone, is_made_from
from captcha_tagger.label.reader import Reader, read_by_model
from captcha_tagger.label.sitting import Sitting
from captcha_tagger.label.table import LabelTable
from captcha_tagger.network.card import CARD, load_card
from captcha_tagger.serve.params import Serve
from captcha_tagger.serve.server import HOST, address_of, listen, run_server
from captcha_tagger.source.decoding_process import DecodingProcess
from captcha_tagger.source.source import Source, open_source

SHIPPED = "shipped"  # as backbone.source names it
OWN_MODEL = Path("data/fine_tune/model")
MANIFEST = Path("data/ingest/manifest.jsonl")


def label(folder: Path, out: Path, model: str | None) -> None:
    """Show the images until Ctrl-C; InputError when there are none, or `out` is another table."""
    params = load_section("ingest", Ingest)
    table = LabelTable(out)
    with _alone():
        table.read()  # a wrong one is told before the images, which take longer
        with open_source(folder, limits_of(params)) as source, _decoding_process(params) as process:
            reader = choose_reader(source, params, model, process)
            candidates = look_at(source, process, reader)
        sitting = Sitting(candidates, reader, table, params.case)
        state = sitting.show()
        token = secrets.token_urlsafe(16)
        with listen(HOST, 0) as listener:
            print(
                f"{state.images} images, {state.labelled} of them labelled in {out}; each answer "
                f"is written at once, Ctrl-C ends it\n{address_of(listener)}{token}/",
                flush=True,
            )
            run_server(make_app(sitting, token, HOST), listener)
    _advise(folder, out, len(table.read()))


@contextmanager
def _alone() -> Iterator[None]:
    """Two would write the same table; InputError when there is another."""
    with ExitStack() as held:
        try:
            held.enter_context(lock_file(state_folder() / "label.lock", wait_seconds=0))
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise InputError(
                "another captcha-tagger label runs in this repository: go on at its page, or end "
                "it with Ctrl-C first"
            ) from None
        yield


def _decoding_process(params: Ingest) -> DecodingProcess:
    return DecodingProcess(
        max_pixels=params.max_image_pixels, max_seconds=load_section("serve", Serve).max_seconds
    )


def choose_reader(
    source: Source, params: Ingest, model: str | None, process: DecodingProcess
) -> Reader:
    """The model that is named, else the one of these images if it reads, else the backbone."""
    if model not in (None, SHIPPED):
        return read_by_model(find_model(model), params.case)
    if model is None and is_made_from(MANIFEST, source) and _reads(OWN_MODEL):
        print(f"proposals by {OWN_MODEL}, which was trained on these images")
        return read_by_model(OWN_MODEL, params.case)
    print("proposals by the shipped backbone, which has seen none of these images")
    return choose_backbone(source, params, process)


def _reads(folder: Path) -> bool:
    return (folder / CARD).is_file() and load_card(folder).head == "ctc"


def _advise(folder: Path, out: Path, num_rows: int) -> None:
    print(
        f"{num_rows} rows in {out}. To train on them: captcha-tagger adopt "
        f"{shlex.quote(str(folder))} --labels {shlex.quote(str(out))}, then make repro. After "
        "that, label proposes what the new model reads"
    )
