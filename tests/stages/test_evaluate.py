from pathlib import Path

import numpy as np
import pytest

from captcha_tagger.files import read_json, read_table, write_json
from tests.stages.conftest import Workspace


def test_the_metrics_people_look_for_are_there(trained: Workspace) -> None:
    metrics = read_json(trained.data / "evaluate" / "metrics.json")
    headlines = {"label_accuracy", "exact_set", "micro_f1", "macro_f1"}
    assert headlines | {"average_precision", "all_negative_label_accuracy"} < metrics.keys()
    assert metrics["intervals"].keys() == headlines
    parts = read_json(trained.data / "split" / "parts.json")
    assert metrics["images"] == len(parts["validation"])


def test_tables_agree_with_the_arrays(trained: Workspace) -> None:
    evaluate = trained.data / "evaluate"
    predictions = read_table(evaluate / "predictions.csv")
    probs, losses = np.load(evaluate / "probs.npy"), np.load(evaluate / "losses.npy")
    threshold = read_json(evaluate / "metrics.json")["threshold"]
    for row, prob, loss in zip(predictions, probs, losses, strict=True):
        predicted = {label for label, p in zip("abcdef", prob, strict=True) if p > threshold}
        assert set(row["predicted"]) == predicted
        assert set(row["labels"]) == set(row["text"])
        assert set(row["missed"]) == set(row["text"]) - predicted
        assert set(row["invented"]) == predicted - set(row["text"])
        assert float(row["loss"]) == pytest.approx(loss.mean())


def test_evidence_says_where_and_never_more_than_the_prob(trained: Workspace) -> None:
    """A noisy-or cannot be less sure than its surest position."""
    evidence = np.load(trained.data / "fine_tune" / "answers" / "evidence.npy")
    probs = np.load(trained.data / "evaluate" / "probs.npy")
    assert evidence.shape[:2] == probs.shape
    assert (evidence.max((2, 3)) <= probs + 2e-3).all()


def test_images_are_those_of_the_validation_part(trained: Workspace) -> None:
    parts = read_json(trained.data / "split" / "parts.json")
    predictions = read_table(trained.data / "evaluate" / "predictions.csv")
    assert len(predictions) == len(parts["validation"])
    assert len(read_table(trained.data / "evaluate" / "labels.csv")) == 6


def test_answers_to_another_split_are_one_clear_line(
    trained: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = tmp_path / "split"
    parts = read_json(trained.data / "split" / "parts.json")
    write_json(split / "parts.json", {**parts, "validation": parts["validation"][::-1]})
    out = tmp_path / "evaluate"
    assert trained.run("evaluate", "ingest", str(split), "fine_tune", str(out)) == 2
    answers = trained.data / "fine_tune" / "answers"
    error = f"evaluate: {answers}: not the answers to this split; run dvc repro\n"
    assert capsys.readouterr().err == error
    assert not out.exists()


def test_missing_answers_are_one_clear_line(
    trained: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = ("ingest", "split", str(tmp_path / "fine_tune"), str(tmp_path / "evaluate"))
    assert trained.run("evaluate", *paths) == 2
    assert "rows.npy: no such file; run dvc repro first\n" in capsys.readouterr().err
