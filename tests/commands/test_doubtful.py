from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.commands.doubtful import propose_corrections
from captcha_tagger.params import load_params
from tests.repository import PARAMS_FILE


def test_without_data_there_is_nothing_to_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="data/ingest: no such folder; run dvc repro ingest back"):
        propose_corrections(load_params(PARAMS_FILE), Path("out.csv"), folds=5, first=20)
