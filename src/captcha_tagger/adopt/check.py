"""The check command: is params.yaml valid, and can DVC read the files that it names?

InputError says in one line what DVC would say in none, or never.
"""

import shlex
import sys
from pathlib import Path

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.shown import escape
from captcha_tagger.params import load_params
from captcha_tagger.source.obstacles import check_source
from captcha_tagger.source.store import is_address
from captcha_tagger.tracking.keeping import read_keeping

SAMPLES = Path("data/sample/samples")  # made by the pipeline itself


def check() -> None:
    """Check params.yaml; warn of a file that a temporary copy of the repository would lack."""
    params = load_params()
    source, weights = params.ingest.source, Path(params.backbone.file)
    if Path(source) != SAMPLES:
        try:
            check_source(source, params.ingest.max_files)
        except InputError as error:
            raise InputError(f"ingest.source: {error}") from None
        if not is_address(source):
            _warn_of_untracked("ingest.source", Path(source))
    if not weights.is_file():
        raise InputError(f"backbone.file: {weights}: no such file")
    _warn_of_untracked("backbone.file", weights)
    for key in ("labels", "corrections"):
        table = Path(getattr(params.ingest, key))
        if not table.is_file():
            raise InputError(f"ingest.{key}: {table}: no such file; a table without rows will do")
        _warn_of_untracked(f"ingest.{key}", table)


def _warn_of_untracked(key: str, path: Path) -> None:
    keeping = read_keeping(Path.cwd(), path)
    if keeping and keeping.missing:
        lacking = escape(keeping.missing) if keeping.keeper else path
        advice = f"`{keeping.keeper} add` it" if keeping.keeper else _advise(key, path)
        print(
            f"captcha-tagger check: {key}: {lacking} is known neither to Git nor to DVC, so that "
            f"`dvc exp run --temp` and `--queue` would not find it; for them, {advice}",
            file=sys.stderr,
        )


def _advise(key: str, path: Path) -> str:
    if key == "ingest.source":
        return f"run `captcha-tagger adopt {shlex.quote(str(path))}`"
    return "`dvc add` it" if key == "backbone.file" else "`git add` it"
