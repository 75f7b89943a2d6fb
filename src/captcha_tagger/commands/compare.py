"""Two experiments compared, wherever they were kept: on disk, in DVC's cache, in MLflow.

Two names -> text, and the page where one is wanted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import check_output
from captcha_tagger.compare.differences import compare
from captcha_tagger.compare.page import write_comparison
from captcha_tagger.compare.revisions import NoRevisionError, open_revision
from captcha_tagger.compare.side import Side
from captcha_tagger.compare.text import format_differences


def compare_experiments(a: str, b: str, page: Path | None) -> str:
    """The differences as text; also written as a page if there is a path for it."""
    if page is not None:
        check_output("--page", page, ".html")
    with open_side(a) as left, open_side(b) as right:
        found = compare(left, right)
        if page is not None:
            write_comparison(page, found)
        return format_differences(found)


@contextmanager
def open_side(name: str) -> Iterator[Side]:
    """The workspace, else a revision or DVC experiment in the cache, else a run of MLflow.

    InputError says where it was looked for.
    """
    if not name:
        raise InputError("an empty name; give workspace, a revision, an experiment or a run")
    try:
        with open_revision(name) as side:
            yield side
    except NoRevisionError as missing:
        yield _load_run(name, missing)


def _load_run(name: str, missing: NoRevisionError) -> Side:
    from captcha_tagger.tracking.registry import load_side

    try:
        return load_side(name)
    except InputError as error:
        raise InputError(f"{missing}; nor does MLflow have it: {error}") from None
