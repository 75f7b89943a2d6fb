from pathlib import Path

import pytest

from captcha_tagger.engine.journal import Journal
from captcha_tagger.sweep.progress import NOTHING, Progress, read_progress, read_whole_progress

ROWS = [{"epoch": 3, "exact_set": 0.25}, {"epoch": 4, "exact_set": 0.5}]


def test_trainings_of_any_length_are_compared_by_tenths() -> None:
    short, long = Progress([0.1, 0.2], 2), Progress([n / 100 for n in range(1, 21)], 20)
    assert short.shares() == {5: 0.1, 6: 0.1, 7: 0.1, 8: 0.1, 9: 0.1, 10: 0.2}
    assert long.shares() == {n: n / 50 for n in range(1, 11)}
    assert Progress([0.1, 0.2, 0.3], 20).shares() == {1: 0.2}
    assert Progress([0.1], 20).shares() == NOTHING.shares() == {}


def test_a_training_at_work_is_read_from_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STAGE", "fine_tune")
    monkeypatch.setattr("captcha_tagger.engine.journal.PUBLISH_EVERY_SECONDS", 0.0)
    assert read_progress(tmp_path) == NOTHING
    with Journal("fine_tune", "0", {}, epochs=8, on_gpu=False) as journal:
        assert read_progress(tmp_path) == NOTHING
        journal.publish([{"step": 0}], ROWS)
        assert read_progress(tmp_path) == Progress([0.25, 0.5], 8)


def test_a_training_that_has_ended_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "data/fine_tune"
    folder.mkdir(parents=True)
    (folder / "epochs.csv").write_text("epoch,exact_set\n3,0.25\n4,0.5\n")
    assert read_whole_progress(tmp_path) == Progress([0.25, 0.5], 2)
