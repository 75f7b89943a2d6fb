import os
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from captcha_tagger.commands import predict
from captcha_tagger.commands.predict import tag
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.predict.predictor import BATCH, Predictor
from tests.conftest import make_tagger


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (BATCH + 3, 24, 48), np.uint8)
    for number, image in enumerate(noise):
        Image.fromarray(image).save(folder / f"{number:02}.png")
    (folder / "05.png").write_bytes(b"no image")
    return folder


@pytest.mark.parametrize("head", ["ctc", "noisy_or"])
def test_a_parquet_file_has_a_row_for_every_file(
    tmp_path: Path, images: Path, head: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(make_tagger(head), tmp_path / "model")
    out = tmp_path / "answers.parquet"
    assert tag([str(images)], str(tmp_path / "model"), as_json=False, out=out) == 1
    assert capsys.readouterr().out == ""
    rows = pyarrow.parquet.read_table(out).to_pylist()
    assert [Path(row["file"]).name for row in rows] == [f"{n:02}.png" for n in range(BATCH + 3)]
    bad = rows.pop(5)
    assert bad["error"].startswith("no PNG")
    assert {bad[key] for key in ("text", "confidence", "labels", "probs")} == {None}
    predictor = Predictor(tmp_path / "model")
    for row in rows:
        (answer,) = predictor.predict([*predictor.decode([Path(row["file"]).read_bytes()])])
        assert row["error"] is None
        assert row["labels"] == answer.labels
        assert dict(row["probs"]) == pytest.approx(answer.probs, abs=1e-5)
        assert row["text"] == (answer.reading.text if answer.reading else None)


def test_a_name_that_is_no_text_is_escaped(tmp_path: Path) -> None:
    save_model(make_tagger(), tmp_path / "model")
    image = tmp_path / os.fsdecode(b"b\xff.png")
    Image.new("L", (48, 24)).save(image)
    out = tmp_path / "answers.parquet"
    assert tag([str(image)], str(tmp_path / "model"), as_json=False, out=out) == 0
    assert pyarrow.parquet.read_table(out)["file"].to_pylist()[0].endswith("b\\udcff.png")


def test_many_files_in_a_folder_of_another_project_need_no_cluster(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(make_tagger(), tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(predict, "FILES_HERE", 0)
    Path("params.yaml").write_text("train: {epochs: 3}\n")
    assert tag([str(images)], "model", as_json=False, out=tmp_path / "answers.parquet") == 1
