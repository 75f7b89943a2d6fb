"""The outputs of a Git revision or a DVC experiment as files, without checking it out.

A name -> a Side. `workspace` is what lies in data/ now.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from captcha_tagger.base.errors import InputError
from captcha_tagger.compare.side import CURVES, IMAGES, LOCK, NEEDED, Side, read_side

WORKSPACE = ("workspace", ".")
DATA = Path("data")


class NoRevisionError(InputError):
    """No Git revision or DVC experiment is called so, or DVC's cache lacks its evaluation."""


@contextmanager
def open_revision(name: str) -> Iterator[Side]:
    """A Side whose images are there as long as the block runs; NoRevisionError says why not."""
    if name in WORKSPACE:
        yield read_side(name, DATA, Path(LOCK))
        return
    with TemporaryDirectory() as folder:
        _fetch(name, Path(folder))
        yield read_side(name, Path(folder), Path(folder) / LOCK)


def _fetch(name: str, folder: Path) -> None:
    """Copy what a Side needs from Git and DVC's cache, and of the rest what is there."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.scm import RevError, SCMError

    for path in (*NEEDED, *CURVES, *IMAGES):
        (folder / path).parent.mkdir(exist_ok=True)
    try:
        files = DVCFileSystem(rev=name)
        files.get_file(LOCK, str(folder / LOCK))
        for path in NEEDED:
            files.get_file(f"{DATA}/{path}", str(folder / path))
    except (RevError, SCMError, NotDvcRepoError, ValueError):  # an ambiguous start of a commit
        raise NoRevisionError(
            f"{name}: no such revision or experiment; `dvc exp show` and `git log` list them"
        ) from None
    except (DvcException, OSError) as error:
        raise NoRevisionError(
            f"{name}: its outputs are not in DVC's cache ({error}); run it, or dvc pull -r"
        ) from None
    for path in (*CURVES, *IMAGES):
        with suppress(DvcException, OSError):
            files.get_file(f"{DATA}/{path}", str(folder / path))
