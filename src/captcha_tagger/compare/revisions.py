"""The outputs of a Git revision or a DVC experiment as files, without checking it out.

A name -> a Side. `workspace` is what lies in data/ now.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
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


def find_commit(root: Path, name: str) -> str | None:
    """The commit that a Git revision or DVC experiment of a repository is; None if there is none.

    An ambiguous name is none, too.
    """
    from dvc.scm import SCM, RevError, SCMError, resolve_rev

    try:
        with closing(SCM(str(root))) as git:
            return str(resolve_rev(git, name))
    except (RevError, SCMError, ValueError):  # an ambiguous start of a commit
        return None


def _fetch(name: str, folder: Path) -> None:
    """Copy what a Side needs from Git and DVC's cache, and of the rest what is there."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc_data.index import DataIndexDirError

    absent = (DvcException, DataIndexDirError, OSError)
    if (commit := find_commit(Path.cwd(), name)) is None:
        raise NoRevisionError(
            f"{name}: no such revision or experiment; `dvc exp show` and `git log` list them"
        )
    for path in (*NEEDED, *CURVES, *IMAGES):
        (folder / path).parent.mkdir(exist_ok=True)
    try:
        files = DVCFileSystem(rev=commit)
        files.get_file(LOCK, str(folder / LOCK))
        for path in NEEDED:
            files.get_file(f"{DATA}/{path}", str(folder / path))
    except NotDvcRepoError:
        raise NoRevisionError(f"{name}: at this revision, DVC keeps nothing here") from None
    except absent as error:
        raise NoRevisionError(
            f"{name}: its outputs are not in DVC's cache ({error}); run it, or dvc pull -r"
        ) from None
    for path in (*CURVES, *IMAGES):
        with suppress(*absent):
            files.get_file(f"{DATA}/{path}", str(folder / path))
