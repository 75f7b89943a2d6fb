import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from captcha_tagger.backbone.shipped import FOLDER, ORIGIN, SHIPPED, check_shipped, copy_shipped
from captcha_tagger.base.errors import InputError
from captcha_tagger.drawing.texts import VOCABULARY
from captcha_tagger.network.backbone_folder import load_backbone
from captcha_tagger.network.backbones import build_backbone
from captcha_tagger.network.card import WEIGHTS
from tests.repository import ROOT


def test_the_shipped_weights_fit_their_card(tmp_path: Path) -> None:
    copy_shipped(tmp_path / "backbone")
    assert {path.name for path in (tmp_path / "backbone").iterdir()} == {*SHIPPED}
    card, weights = load_backbone(tmp_path / "backbone")
    assert card.alphabet == VOCABULARY
    assert len(weights["head.evidence.bias"]) == len(VOCABULARY) + 1  # the blank's row
    body = {name: value for name, value in weights.items() if not name.startswith("head.")}
    build_backbone(card.architecture, channels=3).load_state_dict(body)
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert (FOLDER / WEIGHTS).stat().st_size <= 4_000_000


def test_the_shipped_files_are_in_the_repository() -> None:
    listed = subprocess.run(
        ["git", "ls-files", str(FOLDER)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no repository")
    assert {Path(name).name for name in listed.stdout.split()} == {*SHIPPED, ORIGIN}


@pytest.mark.parametrize("damaged", [*SHIPPED, ORIGIN])
def test_other_files_are_not_taken_for_the_shipped_ones(tmp_path: Path, damaged: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "weights")
    content = bytearray((tmp_path / "weights" / damaged).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "weights" / damaged).write_bytes(content)
    with pytest.raises(InputError, match="not the files that were shipped"):
        check_shipped(tmp_path / "weights")


def test_missing_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the files that were shipped"):
        check_shipped(tmp_path)
