from pathlib import Path

import pytest

from captcha_tagger.ingest.known_texts import read_known_texts
from captcha_tagger.params import load_params
from captcha_tagger.source.limits import Listed
from tests.repository import PARAMS_FILE


@pytest.mark.parametrize(
    ("name", "is_table"), [("labels.csv", True), ("a\0/__MACOSX", False), ("\ud800.txt", False)]
)
def test_what_is_no_path_is_no_table(tmp_path: Path, name: str, is_table: bool) -> None:
    """A damaged archive's null byte stopped ingest with a traceback."""
    (tmp_path / "labels.csv").write_text("file,text\na.png,abc\n")
    (tmp_path / "corrections.csv").write_text("file,text,why\n")
    changes = {
        "source": str(tmp_path),
        "labels": str(tmp_path / "labels.csv"),
        "corrections": str(tmp_path / "corrections.csv"),
    }
    params = load_params(PARAMS_FILE).ingest.model_copy(update=changes)
    known = read_known_texts(params, tmp_path, ["a.png", name])
    assert known.excuse(Listed(0, name)).clutter is is_table
