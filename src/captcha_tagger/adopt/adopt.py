"""The adopt command: a folder, zip or table of the user's -> params.yaml and DVC know it.

It says what is there, writes the keys of `ingest`, and leaves the user's files as they are.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from captcha_tagger.adopt.check import SAMPLES
from captcha_tagger.adopt.survey import Match, list_images, match_table, propose_pattern, survey
from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import atomic_file, check_output, read_table
from captcha_tagger.base.places import state_folder
from captcha_tagger.base.settings import PARAMS
from captcha_tagger.base.shown import escape
from captcha_tagger.ingest.ingest import limits_of
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.verdicts import Tally
from captcha_tagger.params import load_params
from captcha_tagger.source.obstacles import check_source
from captcha_tagger.source.source import Source, open_source
from captcha_tagger.source.store import is_address
from captcha_tagger.tracking.keeping import read_keeping

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
NO_LABELS = "labels.csv"  # without rows, as it comes
ENOUGH = 0.5  # of the images must be in a table that nobody named; or of its rows, images here


def adopt(
    source: Path | str, *, dry_run: bool, labels: Path | None = None, sheet: Path | None = None
) -> None:
    """Look at the source, say what is there, and let params.yaml and DVC know it.

    `labels` is the table of its texts, where that is not in the source; `sheet` a PNG file to show
    some of the images in. InputError when it cannot be learned from, and then nothing else is
    written.
    """
    before = load_params().ingest
    images_in, table = find_images(source, labels, before)
    # A zip in a store is large, and fetched but once.
    with _make_scratch() as folder, open_source(images_in, limits_of(before), folder) as opened:
        after = propose(opened, images_in, table, before)
        if sheet:
            _check_sheet(sheet, Path(after.source))
        lines, tally = survey(opened, after, folder, sheet)
    texts = [f"texts      by {_describe_texts(after, tally)}", *_describe_corrections(after, tally)]
    print("\n".join([f"source     {after.source}", *lines, *texts]))
    _check_rejects(after, tally)
    if dry_run:
        return
    for name in (after.source, after.labels):
        if not is_address(name) and Path(name) != SAMPLES:  # made by the pipeline itself
            track(Path(name))
    _write(before, after)
    print("adopted: now run make repro, or dvc exp run; git diff shows what has changed")


def find_images(
    source: Path | str, labels: Path | None, before: Ingest
) -> tuple[Path | str, Path | None]:
    """Where the images are, and the table of their texts if one is named; InputError where DVC
    could not read them."""
    for path in (source, labels):
        if isinstance(path, Path) and not path.exists():
            raise InputError(f"{path}: no such folder, zip or table")
    images_in, table = (source, labels) if labels else _look_beside(source, before)
    check_source(name_path(images_in), before.max_files)
    return images_in, table


def propose(opened: Source, source: Path | str, table: Path | None, before: Ingest) -> Ingest:
    """The params of ingest that suit the source, and its table of texts if there is one."""
    images = list_images(opened, source)
    changes: dict[str, Any] = {"source": name_path(source), "unlabelled": "reject"}
    found: tuple[Path, Match] | None
    if table:
        found = table, match_table(table, images, before.label_columns)
    else:
        found = _find_table(source, images, before)
    if found:
        path, match = found
        if not match.labelled:
            raise InputError(f"{path}: gives none of the {len(images)} images a text")
        changes |= {"labels": name_path(path), "label_columns": list(match.columns)}
        if match.unlabelled:
            changes["unlabelled"] = "skip"
    elif Path(NO_LABELS).exists() and read_table(Path(NO_LABELS)):
        raise InputError(
            f"{NO_LABELS}: has rows, of another set; leave its header alone, or adopt a table"
        )
    else:
        changes |= {
            "labels": NO_LABELS,
            "name_pattern": propose_pattern(images, before.name_pattern),
        }
    return before.model_copy(update=changes)


def name_path(path: Path | str) -> str:
    """As it stands in params.yaml: an address, else from the repository, or absolute outside it."""
    if isinstance(path, str):
        return path
    found, root = path.resolve(), Path.cwd().resolve()
    return found.relative_to(root).as_posix() if found.is_relative_to(root) else str(found)


def track(path: Path) -> None:
    """Let Git or DVC know a path inside the repository, so that every copy of it has the path.

    InputError where they know some of its files, so that DVC cannot take the whole.
    """
    keeping = read_keeping(Path.cwd(), path)
    if keeping is None or keeping.missing is None:
        return
    if keeping.keeper:
        rather = f", or git rm -r --cached {shlex.quote(str(path))} and adopt again"
        raise InputError(
            f"{escape(keeping.missing)}: known neither to Git nor to DVC, as other files of {path} "
            f"are; {keeping.keeper} add it{rather if keeping.keeper == 'git' else ''}"
        )
    if path.is_file() and path.suffix.lower() in TABLES and _git("add", "--", str(path)):
        return
    while _git("check-ignore", "--quiet", "--", str(path.parent)):
        path = path.parent  # Git takes no .dvc file inside a folder that it ignores
    dvc = [sys.executable, "-m", "dvc", "add", "--", str(path)]
    done = subprocess.run(dvc, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.partition("ERROR: ")[2].partition("\n")[0]
        raise InputError(f"{path}: dvc add failed: {reason}")
    # `--temp` and `--queue` copy what Git has at least staged.
    for file in (path.parent / ".gitignore", Path(f"{path}.dvc")):
        if file.exists() and not _git("add", "--", str(file)):
            raise InputError(f"{file}: git add failed; add it, so that every copy has the source")


@contextmanager
def _make_scratch() -> Iterator[Path]:
    """A folder on the repository's own disk, until all is said."""
    state = state_folder()
    state.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="adopt-", dir=state) as name:
        yield Path(name)


def _look_beside(source: Path | str, params: Ingest) -> tuple[Path | str, Path | None]:
    """The folder or zip of images, and the table if the source is one."""
    if isinstance(source, str) or source.is_dir() or source.suffix.lower() not in TABLES:
        return source, None
    folder = source.resolve().parent
    with open_source(folder, limits_of(params)) as opened:
        tops = {name.split("/")[0] for name in list_images(opened, folder)}
    inner = folder / next(iter(tops))
    return (inner if len(tops) == 1 and inner.is_dir() else folder), source


def _find_table(source: Path | str, images: list[str], params: Ingest) -> tuple[Path, Match] | None:
    """A table in the folder itself that labels most of its images, or one whose rows are mostly of
    these: the one that `label` writes, or that params name."""
    inside = sorted(source.iterdir()) if isinstance(source, Path) and source.is_dir() else []
    for path in (path for path in inside if path.suffix.lower() in TABLES):
        match = _try_table(path, images, params.label_columns)
        if match and match.labelled >= ENOUGH * len(images):
            return path, match
    for path in map(Path, dict.fromkeys((params.labels, NO_LABELS))):
        match = _try_table(path, images, params.label_columns)
        if match and match.labelled and match.labelled >= ENOUGH * match.rows:
            return path, match
    return None


def _try_table(path: Path, images: list[str], own: list[str]) -> Match | None:
    try:
        return match_table(path, images, own)
    except InputError:
        return None


def _describe_texts(params: Ingest, tally: Tally) -> str:
    if not tally.tables.get("labels"):
        return f"name_pattern {params.name_pattern}"
    found = f"the columns {', '.join(params.label_columns)} of {params.labels}"
    unlabelled = tally.tables["labels"]["without_text"]
    return f"{found}; {unlabelled} images without one are left out" if unlabelled else found


def _describe_corrections(params: Ingest, tally: Tally) -> list[str]:
    """A line where there are some, which may have been meant for another source."""
    found = tally.tables.get("corrections")
    if found is None:
        return []
    texts, dropped = found["texts"], found["dropped"]
    return [f"corrected  {texts}, dropped {dropped}, by {params.corrections}"]


def _check_sheet(sheet: Path, source: Path) -> None:
    check_output("--contact-sheet", sheet, ".png")
    if sheet.resolve().is_relative_to(source.resolve()):
        raise InputError(f"--contact-sheet: {sheet}: lies among the images; name a file elsewhere")


def _check_rejects(params: Ingest, tally: Tally) -> None:
    files = tally.rejected + tally.rows
    if tally.rejected > params.max_rejected * files:
        raise InputError(
            f"{params.source}: {tally.rejected} of {files} files would be rejected, more than "
            f"ingest.max_rejected = {params.max_rejected:g} allows; params.yaml is as it was"
        )


def _write(before: Ingest, after: Ingest) -> None:
    """Write the keys that differ; comments and all other keys stay."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.representer.add_representer(type(None), _write_null)
    content = yaml.load(PARAMS)
    for key, value in after.model_dump().items():
        if value != getattr(before, key):
            section = content["ingest"]
            if isinstance(value, list):
                section[key][:] = value
            else:
                section[key] = value
    with atomic_file(PARAMS) as beside:
        yaml.dump(content, beside)


def _write_null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _git(*words: str) -> bool:
    return subprocess.run(["git", *words], capture_output=True, check=False).returncode == 0
