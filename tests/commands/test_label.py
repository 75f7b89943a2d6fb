"""Who proposes, and that there is one sitting at a time."""

from pathlib import Path

import pytest

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.files import lock_file
from captcha_tagger.base.places import state_folder
from captcha_tagger.commands.label import MANIFEST, OWN_MODEL, choose_reader, label
from captcha_tagger.data.manifest import Row, write_manifest
from captcha_tagger.ingest.ingest import limits_of
from captcha_tagger.network.model_folder import save_model
from captcha_tagger.source.source import open_source
from tests.conftest import VOCABULARY, make_tagger
from tests.hostile import TEXTS, fill_folder
from tests.label.sitting import PARAMS, patient_process
from tests.repository import PARAMS_FILE


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images that a run has learned from."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_bytes(PARAMS_FILE.read_bytes())
    MANIFEST.parent.mkdir(parents=True)
    write_manifest(MANIFEST, [Row(f"{text}.png", text, text, 40, 20) for text in TEXTS])
    return fill_folder(Path("in"))


def test_a_second_one_is_told_in_a_line(folder: Path) -> None:
    """It said `Errno 16`."""
    with (
        lock_file(state_folder() / "label.lock", wait_seconds=0),
        pytest.raises(InputError, match="another captcha-tagger label runs in this repository"),
    ):
        label(folder, Path("labels.csv"), None)
    assert not Path("labels.csv").exists()


@pytest.mark.parametrize(
    ("head", "model", "own"),
    [("ctc", None, True), ("ctc", "shipped", False), ("noisy_or", None, False)],
)
def test_a_model_of_these_images_proposes_where_it_reads(
    folder: Path, head: str, model: str | None, own: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that reads no texts left nobody else to propose."""
    save_model(make_tagger(head), OWN_MODEL)
    with open_source(folder, limits_of(PARAMS)) as source, patient_process() as process:
        reader = choose_reader(source, PARAMS, model, process)
    assert (reader.vocabulary == VOCABULARY) == own
    assert ("the shipped backbone" in capsys.readouterr().out) != own


def test_a_model_that_is_named_and_reads_no_texts_is_refused(folder: Path) -> None:
    save_model(make_tagger("noisy_or"), Path("named"))
    with (
        open_source(folder, limits_of(PARAMS)) as source,
        patient_process() as process,
        pytest.raises(InputError, match="reads no texts"),
    ):
        choose_reader(source, PARAMS, "named", process)
