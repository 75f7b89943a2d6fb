"""The whole pipeline again, from nothing, in another folder: are all hashes the same?

A Git repository with a dvc.lock -> 0 when a fresh clone's lock is equal, 1 and the first difference
when it is not. The clone shares no cache, so every stage runs; locale, time zone, hash seed and
umask differ on purpose.

python -m captcha_tagger.reproduce.verify
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.settings import UNREADABLE

Lock = dict[str, dict[str, Any]]  # stages of a dvc.lock
SURROUNDINGS = {"LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"}
NAMED_FILES = 5  # of those that differ inside one output
DEPTH = "three/folders/down"  # so that `../../data` of a param still lies in the temporary folder


def verify(root: Path, folder: Path) -> str | None:
    """Repeat the pipeline of `root` in a clone under `folder`; the first difference, if any."""
    if not (root / "dvc.lock").exists():
        raise InputError("dvc.lock: there is none to compare with; run make repro first")
    if changed := _git(root, "status", "--porcelain", "--untracked-files=no", "--", *CODE):
        first = changed.splitlines()[0][3:]
        raise InputError(f"{first}: not committed, and a clone holds only commits; commit it first")
    clone = make_clone(root, folder / DEPTH / "clone")
    reproduce(clone, "--force", "--no-run-cache", surroundings=SURROUNDINGS, umask=0o077)
    return compare(root, clone)


CODE = ["dvc.yaml", "src", "stages"]


def make_clone(root: Path, clone: Path) -> Path:
    """Clone the commit of `root`, take params.yaml and the user's tables along as they are now, and
    give it a cache of its own."""
    clone.parent.mkdir(parents=True, exist_ok=True)
    _git(root, "clone", "--quiet", str(root), str(clone))
    (clone / "dvc.lock").unlink(missing_ok=True)
    shutil.copyfile(root / "params.yaml", clone / "params.yaml")
    # A cache that several repositories share would hand over the outputs instead of making them.
    (clone / ".dvc" / "config.local").write_text("[cache]\n    dir = cache\n", encoding="utf-8")
    for path in _user_data(root):
        if not (clone / path).exists():
            _link(root, clone, path)
        elif (root / path).is_file() and not (clone / path).samefile(
            root / path
        ):  # labels and corrections, perhaps not committed yet
            shutil.copyfile(root / path, clone / path)
    return clone


def reproduce(
    root: Path, *options: str, surroundings: dict[str, str] | None = None, umask: int = -1
) -> None:
    """Run `dvc repro` to its end; InputError when it fails, which has said why by then."""
    done = subprocess.run(
        [*DVC, "repro", *options],
        cwd=root,
        env=environment() | (surroundings or {}),
        umask=umask,
        check=False,
    )
    if done.returncode:
        raise InputError(f"dvc repro failed in {root} with exit code {done.returncode}")


DVC = (sys.executable, "-m", "dvc")


def environment() -> dict[str, str]:
    """This process's environment, its own Python first, without what names another repository.

    A copy that will be thrown away is no experiment, so nothing records it.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DVC_") and name != "MLFLOW_TRACKING_URI"
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return kept | {"PATH": path, "DVC_NO_ANALYTICS": "1", "CAPTCHA_TAGGER_RECORD": "off"}


def compare(here: Path, there: Path) -> str | None:
    """A line on the first stage whose entry in dvc.lock differs; None when all are equal."""
    ours, theirs = read_lock(here), read_lock(there)
    for stage in theirs | ours:
        if stage not in ours or stage not in theirs:
            return f"{stage}: only {'here' if stage in ours else 'in the clone'}; run make repro"
        for kind in ("cmd", "params", "deps", "outs"):
            one, other = ours[stage].get(kind), theirs[stage].get(kind)
            if one != other:
                return f"{stage}: {_describe(kind, one, other, here, there)}"
    return None


def read_lock(root: Path) -> Lock:
    """The stages of dvc.lock, in the order in which they ran."""
    path = root / "dvc.lock"
    try:
        content = YAML(typ="safe", pure=True).load(path)
    except UNREADABLE:
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("stages"), dict):
        raise InputError(f"{path}: empty, damaged or with merge conflicts; run make repro")
    lock: Lock = content["stages"]
    return lock


def count_hashes(root: Path) -> int:
    return sum(len(e.get("deps", [])) + len(e.get("outs", [])) for e in read_lock(root).values())


def _describe(kind: str, one: Any, other: Any, here: Path, there: Path) -> str:
    if kind in ("cmd", "params"):
        return f"{kind} differs: dvc.lock is not of this params.yaml; run make repro first"
    ours, theirs = _list_hashes(one or []), _list_hashes(other or [])
    path = next(p for p in sorted(ours | theirs) if ours.get(p) != theirs.get(p))
    files = ", ".join(_differing_files(here / path, there / path)[:NAMED_FILES])
    inside = f" in {files}" if files else ""
    return f"{path} differs{inside}: {ours.get(path)} here, {theirs.get(path)} in the clone"


def _list_hashes(entries: list[dict[str, Any]]) -> dict[str, str]:
    """By path; a file in an object store has the store's own."""
    return {entry["path"]: entry.get("md5") or entry["etag"] for entry in entries}


def _differing_files(one: Path, other: Path) -> list[str]:
    if not (one.is_dir() and other.is_dir()):
        return []
    files = {
        path.relative_to(folder).as_posix()
        for folder in (one, other)
        for path in folder.rglob("*")
        if path.is_file()
    }
    return sorted(filecmp.cmpfiles(one, other, files, shallow=False)[1]) + sorted(
        name for name in files if not ((one / name).exists() and (other / name).exists())
    )


def _user_data(root: Path) -> Iterator[str]:
    """Paths of dvc.lock that no stage makes and that are no code."""
    if not (root / "dvc.lock").exists():
        return
    entries = read_lock(root).values()
    made = {out["path"] for entry in entries for out in entry.get("outs", [])}
    for path in {dep["path"] for entry in entries for dep in entry.get("deps", [])} - made:
        if (root / path).exists() and Path(path).parts[0] not in CODE:
            yield path


def _link(root: Path, clone: Path, path: str) -> None:
    place = Path(os.path.normpath(clone / path))
    if not place.is_relative_to(clone.parents[2]):
        raise InputError(f"{path}: too far from the repository for a clone; use an absolute path")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to((root / path).resolve())


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="verify-"))
    try:
        difference = verify(Path.cwd(), folder)
    except InputError as error:
        print(f"verify: {error}", file=sys.stderr)
        sys.exit(2)
    if difference:
        print(f"verify: {difference}\nThe clone is kept in {folder}", file=sys.stderr)
        sys.exit(1)
    shutil.rmtree(folder, ignore_errors=True)
    num_stages, num_hashes = len(read_lock(Path.cwd())), count_hashes(Path.cwd())
    print(f"verify: equal: all {num_hashes} hashes of {num_stages} stages")


if __name__ == "__main__":
    main()
