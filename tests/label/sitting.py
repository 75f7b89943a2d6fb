"""A sitting at a few drawn images, with a tiny model that has learned nothing."""

from pathlib import Path

from captcha_tagger.base.settings import load_section
from captcha_tagger.ingest.ingest import limits_of
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.label.candidates import look_at
from captcha_tagger.label.reader import Reader
from captcha_tagger.label.sitting import Sitting
from captcha_tagger.label.table import LabelTable
from captcha_tagger.source.decoding_process import DecodingProcess
from captcha_tagger.source.source import open_source
from tests.conftest import make_tagger
from tests.repository import PARAMS_FILE

PARAMS = load_section("ingest", Ingest, PARAMS_FILE)


def patient_process() -> DecodingProcess:
    return DecodingProcess(max_pixels=PARAMS.max_image_pixels, max_seconds=60)


def sit_down(folder: Path, out: Path) -> Sitting:
    """As the command does: look at all images, and start where the table ends."""
    reader = Reader(make_tagger(), PARAMS.case)
    with open_source(folder, limits_of(PARAMS)) as source, patient_process() as process:
        candidates = look_at(source, process, reader)
    return Sitting(candidates, reader, LabelTable(out), PARAMS.case)
