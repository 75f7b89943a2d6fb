"""The model card of a finished run."""

import re
from pathlib import Path

import pytest

from captcha_tagger.base.settings import read_params
from captcha_tagger.report.model_card import quote, write_model_card
from captcha_tagger.report.page import format_percent
from captcha_tagger.report.results import Results
from tests.repository import PARAMS_FILE
from tests.runs import load_run, write_run


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    labels = "ab`|<&*_"  # what Markdown and HTML read as more than text
    return load_run(write_run(tmp_path_factory.mktemp("run"), labels=labels, reads=True))


def write(path: Path, results: Results, **backbone: str) -> str:
    params = read_params(PARAMS_FILE)
    params["ingest"]["source"] = "/home/somebody/pictures.zip"
    params["backbone"].update(backbone)
    write_model_card(path, results, params)
    return path.read_text(encoding="utf-8")


def test_the_card_has_every_headline_with_its_interval(tmp_path: Path, results: Results) -> None:
    card = write(tmp_path / "card.md", results)
    assert len(results.metrics["intervals"]) == 6
    for name, bounds in results.metrics["intervals"].items():
        numbers = [results.metrics[name], bounds["low"], bounds["high"]]
        line = " | ".join(format_percent(number, 2) for number in numbers)
        assert line in card, name


def test_the_card_names_the_data_and_not_where_it_lies(tmp_path: Path, results: Results) -> None:
    card = write(tmp_path / "card.md", results)
    assert "60 images of `pictures.zip`: 30 to train on and 30 held out" in card
    assert "somebody" not in card
    assert results.hashes["model"] in card


def test_labels_are_shown_as_they_are(tmp_path: Path, results: Results) -> None:
    card = write(tmp_path / "card.md", results)
    assert f"`` {''.join(results.vocabulary)} ``" in card
    assert quote("``") == "``` `` ```"
    assert quote("abc") == "`abc`"
    assert quote("a\n# b") == "`a\\n# b`"


def test_weights_from_elsewhere_bring_their_terms(tmp_path: Path, results: Results) -> None:
    assert "ImageNet" not in write(tmp_path / "card.md", results, source="synthetic")
    assert "ImageNet: its terms apply" in write(tmp_path / "card.md", results, source="imagenet")


def test_loading_takes_five_lines(tmp_path: Path, results: Results) -> None:
    block = re.search("```python\n(.*?)```", write(tmp_path / "card.md", results), re.DOTALL)
    assert block is not None
    assert len(block[1].splitlines()) == 5
