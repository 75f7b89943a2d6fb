"""Who keeps a file or folder of the workspace: Git, DVC, or nobody but this machine.

A copy of the repository has what they keep, and nothing else.
"""

from pathlib import Path
from typing import Literal, NamedTuple

from captcha_tagger.source.limits import refuse_name
from captcha_tagger.tracking.git import read_git


class Keeping(NamedTuple):
    """The paths by which DVC keeps it, whole or in parts; who keeps what is kept, if any of it is;
    and the first path of it that neither keeps, None where they keep all images."""

    in_dvc: list[str]
    keeper: Literal["git", "dvc"] | None
    missing: str | None


def read_keeping(root: Path, path: Path | str) -> Keeping | None:
    """Who keeps a path of the repository; None for one outside, and where there is no Git."""
    top, place = root.resolve(), (root / path).resolve()
    if not place.is_relative_to(top):
        return None
    inside = place.relative_to(top)
    above = [f"{one}.dvc" for one in (inside, *inside.parents[:-1])]
    if (known := _list_files(root, "--", str(inside), *above)) is None:
        return None
    if not known:
        return Keeping([], None, str(inside))
    in_dvc = [name.removesuffix(".dvc") for name in known if name.endswith(".dvc")]
    if any(name in above for name in known):
        return Keeping(in_dvc, "dvc", None)
    others = _list_files(root, "--others", "--", str(inside)) or []  # ignored ones, too
    unkept = (name for name in others if not _is_within(name, in_dvc))
    missing = next((name for name in unkept if refuse_name(name) is None), None)
    # With each part, DVC lets Git know a .dvc file and a .gitignore.
    in_git = not in_dvc or any(not name.endswith((".dvc", ".gitignore")) for name in known)
    return Keeping(in_dvc, "git" if in_git else "dvc", missing)


def _is_within(name: str, places: list[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _list_files(root: Path, *words: str) -> list[str] | None:
    listed = read_git(root, "--literal-pathspecs", "ls-files", "-z", *words)
    return None if listed is None else listed.split("\0")[:-1]
