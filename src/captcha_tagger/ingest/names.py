"""The texts of files: what a table says, else what their names hold by the user's pattern."""

from collections.abc import Sequence

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.patterns import limit_pattern
from captcha_tagger.data.labels import clean_text, read_text
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.verdicts import Reject
from captcha_tagger.source.limits import Found


def read_texts(files: Sequence[Found], params: Ingest) -> list[str | Reject]:
    """The text of each file, or why the file is rejected before it is decoded.

    InputError when the pattern is so slow that it would never end.
    """
    texts: list[str | Reject] = []
    with limit_pattern("ingest.name_pattern", lambda: files[len(texts)].file):
        texts.extend(_read_text(found, params) for found in files)
    return texts


def _read_text(found: Found, params: Ingest) -> str | Reject:
    if found.refusal:
        return Reject(found.file, found.refusal, found.clutter)
    try:
        if found.text is not None:
            return clean_text(found.text, params.case)
        return read_text(found.file, pattern=params.name_pattern, case=params.case)
    except InputError as error:
        return Reject(found.file, str(error))
