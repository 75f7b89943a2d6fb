"""The outputs of a git revision or a DVC experiment as files, without checking it out.

A name -> a Side for the comparison page. `workspace` is what lies in data/ now.

python -m captcha_tagger.compare.revisions A B compare.html
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from captcha_tagger.base import stage
from captcha_tagger.base.errors import InputError
from captcha_tagger.compare.page import Side, write_comparison
from captcha_tagger.report.results import STAGES

WORKSPACE = "workspace"
DATA = Path("data")


def compare_revisions(a: str, b: str, out: Path) -> None:
    """Write the page that compares two revisions; InputError when one is not there."""
    with open_side(a) as left, open_side(b) as right:
        write_comparison(out, left, right)


@contextmanager
def open_side(name: str) -> Iterator[Side]:
    """Fetch a revision's outputs from DVC's cache into a folder that goes away afterwards."""
    if name == WORKSPACE:
        yield Side(name, DATA, _read_params(Path("params.yaml").read_text(encoding="utf-8")))
        return
    with TemporaryDirectory() as folder:
        params = _fetch(name, Path(folder))
        yield Side(name, Path(folder), params)


def _fetch(name: str, folder: Path) -> dict[str, Any]:
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.scm import RevError, SCMError

    try:
        files = DVCFileSystem(rev=name)
        for stage in STAGES:
            files.get(f"{DATA}/{stage}", str(folder / stage), recursive=True)
        return _read_params(files.read_text("params.yaml"))
    except (RevError, SCMError):
        raise InputError(
            f"{name}: no such revision or experiment; `dvc exp show` and `git log` list them"
        ) from None
    except (DvcException, OSError) as error:
        raise InputError(
            f"{name}: its outputs are not in DVC's cache ({error}); run it, or dvc pull -r"
        ) from None


def _read_params(text: str) -> dict[str, Any]:
    """The sections as they stand: an older revision's need not fit today's models."""
    params: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return params


if __name__ == "__main__":
    stage.run(lambda a, b, out: compare_revisions(str(a), str(b), out))
