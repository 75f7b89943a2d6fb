import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from captcha_tagger.base.files import read_json, read_table
from captcha_tagger.data.dataset import load_dataset
from captcha_tagger.evaluate.answers import open_texts
from captcha_tagger.network.inference import infer
from captcha_tagger.network.model_folder import load_model
from tests.stages.conftest import Workspace


def test_the_headlines_stand_alone_and_the_rest_beside_them(trained: Workspace) -> None:
    """With 16 more beside them, `dvc exp show` had a table of 30 columns."""
    headlines = {"label_accuracy", "exact_set", "micro_f1", "macro_f1"}
    headlines |= {"text_accuracy", "character_error_rate"}
    assert read_json(trained.data / "evaluate" / "metrics.json").keys() == {*headlines, "loss"}
    details = read_json(trained.data / "evaluate" / "details.json")
    beside = {"average_precision", "all_negative_label_accuracy", "constant_text_accuracy"}
    assert beside < details.keys()
    assert details["intervals"].keys() == headlines
    parts = read_json(trained.data / "split" / "parts.json")
    assert details["images"] == len(parts["validation"])


def test_tables_agree_with_the_arrays(trained: Workspace) -> None:
    evaluate = trained.data / "evaluate"
    predictions = read_table(evaluate / "predictions.csv")
    probs, losses = np.load(evaluate / "probs.npy"), np.load(evaluate / "losses.npy")
    threshold = read_json(evaluate / "details.json")["threshold"]
    for row, prob, loss in zip(predictions, probs, losses, strict=True):
        predicted = {label for label, p in zip("abcdef", prob, strict=True) if p > threshold}
        assert set(row["predicted"]) == predicted
        assert set(row["labels"]) == set(row["text"])
        assert set(row["missed"]) == set(row["text"]) - predicted
        assert set(row["invented"]) == predicted - set(row["text"])
        assert float(row["loss"]) == pytest.approx(loss.mean())


def test_what_is_read_agrees_in_every_table(trained: Workspace) -> None:
    evaluate = trained.data / "evaluate"
    predictions = read_table(evaluate / "predictions.csv")
    readings = open_texts(evaluate / "answers")
    metrics = read_json(evaluate / "metrics.json")
    for row, reading in zip(predictions, readings, strict=True):
        assert row["read"] == reading.text
        assert float(row["confidence"]) == reading.confidence
        assert len(reading.spans) == len(reading.text)
    right = [row["read"] == row["text"] for row in predictions]
    assert metrics["text_accuracy"] == pytest.approx(np.mean(right))
    reliability = read_table(evaluate / "reliability.csv")
    assert sum(int(row["images"]) for row in reliability) == len(predictions)
    last = read_table(evaluate / "coverage.csv")[-1]
    assert (int(last["images"]), int(last["wrong"])) == (len(right), len(right) - sum(right))


def test_evidence_says_where_and_never_more_than_the_prob(trained: Workspace) -> None:
    """A noisy-or cannot be less sure than its surest position."""
    evidence = np.load(trained.data / "evaluate" / "answers" / "evidence.npy")
    probs = np.load(trained.data / "evaluate" / "probs.npy")
    assert evidence.shape[:2] == probs.shape
    assert (evidence.max((2, 3)) <= probs + 2e-3).all()


def test_only_the_worst_images_keep_their_evidence(trained: Workspace, tmp_path: Path) -> None:
    """Evidence of every image filled memory: gigabytes at a million."""
    few = Workspace(tmp_path)
    shutil.copytree(trained.data, few.data, dirs_exist_ok=True)
    few.change({"evaluate": {"evidence_images": 3}})
    assert few.run("evaluate", "ingest", "split", "fine_tune", "few") == 0
    losses = np.load(few.data / "few" / "losses.npy").mean(1)
    shown = np.load(few.data / "few" / "answers" / "shown.npy")
    assert shown.tolist() == sorted(np.argsort(-losses, kind="stable")[:3].tolist())
    whole = np.load(trained.data / "evaluate" / "answers" / "evidence.npy")
    assert np.array_equal(np.load(few.data / "few" / "answers" / "evidence.npy"), whole[shown])


def test_images_are_those_of_the_validation_part(trained: Workspace) -> None:
    parts = read_json(trained.data / "split" / "parts.json")
    predictions = read_table(trained.data / "evaluate" / "predictions.csv")
    assert len(predictions) == len(parts["validation"])
    assert len(read_table(trained.data / "evaluate" / "labels.csv")) == 6


def test_the_answers_are_those_of_the_saved_model(trained: Workspace) -> None:
    data = load_dataset(trained.data / "ingest", trained.data / "split")
    images = data.validation_images(torch.device("cpu"))
    logits = infer(load_model(trained.data / "fine_tune" / "model"), images).logits
    answers = trained.data / "evaluate" / "answers"
    assert np.array_equal(logits, np.load(answers / "logits.npy"))
    assert np.array_equal(data.validation, np.load(answers / "rows.npy"))


def test_a_missing_model_is_one_clear_line(
    trained: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = ("ingest", "split", str(tmp_path / "fine_tune"), str(tmp_path / "evaluate"))
    assert trained.run("evaluate", *paths) == 2
    assert "no model here, model.json is missing" in capsys.readouterr().err
    assert not (tmp_path / "evaluate").exists()
