"""What differs between two experiments, and whether by chance."""

from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest

from captcha_tagger.compare.differences import LabelPair, ParamPair, compare, pair_images
from captcha_tagger.compare.side import Side
from captcha_tagger.metrics.sets import HEADLINES
from tests.compare.sides import make_side, read_run
from tests.runs import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Side:
    return read_run("run", write_run(tmp_path_factory.mktemp("run")))


def perfect(side: Side) -> Side:
    return replace(side, answers=[replace(a, missed="", invented="") for a in side.answers])


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (0, 6), (3, 11), (5, 5), (40, 21)])
def test_the_paired_test_is_the_exact_binomial_one(only_a: int, only_b: int) -> None:
    a = make_side("a", "+" * only_a + "-" * only_b + "++")
    b = make_side("b", "-" * only_a + "+" * only_b + "++")
    found = compare(a, b)
    assert (len(found.broken), len(found.mended)) == (only_a, only_b)
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert found.p == pytest.approx(expected)
    assert found.by_chance == (expected >= 0.05)


def test_an_experiment_shares_every_image_with_itself_and_changes_none(run: Side) -> None:
    found = compare(run, run)
    assert found.shared == len(run.answers) == 30
    assert found.same_images
    assert found.broken == found.mended == found.params == []


def test_a_better_one_mends_just_the_images_that_were_wrong(run: Side) -> None:
    wrong = {answer.file for answer in run.answers if not answer.is_right("sets")}
    assert 5 < len(wrong) < 25
    found, reversed_ = compare(run, perfect(run)), compare(perfect(run), run)
    assert {pair.a.file for pair in found.mended} == wrong
    assert {pair.b.file for pair in reversed_.broken} == wrong
    assert found.broken == reversed_.mended == []


def test_the_highest_loss_of_the_wrong_side_comes_first() -> None:
    a, b = make_side("a", "+++-----"), make_side("b", "---+++++")
    found = compare(a, b)
    assert [pair.b.file for pair in found.broken] == ["2.png", "1.png", "0.png"]
    assert [pair.a.file for pair in found.mended][:2] == ["7.png", "6.png"]


def test_texts_are_judged_where_both_sides_read_them() -> None:
    """Of greedy and beam, whose sets are the same, it said that nothing but chance differs."""
    greedy = make_side("greedy", "+" * 20, read="+" * 8 + "-" * 12)
    beam = make_side("beam", "+" * 20, read="-" + "+" * 19)
    found = compare(greedy, beam)
    assert found.judged == "texts"
    assert [pair.a.file for pair in found.broken] == ["0.png"]
    assert len(found.mended) == 12
    assert not found.by_chance


@pytest.mark.parametrize("reads", [("+-+", ""), ("", "+-+")])
def test_sets_are_judged_where_a_side_reads_no_texts(reads: tuple[str, str]) -> None:
    a, b = make_side("a", "-++", read=reads[0]), make_side("b", "+++", read=reads[1])
    found = compare(a, b)
    assert found.judged == "sets"
    assert (found.broken, [pair.b.file for pair in found.mended]) == ([], ["0.png"])


def test_sets_may_be_judged_of_sides_that_read() -> None:
    a, b = make_side("a", "-++", read="+++"), make_side("b", "+++", read="--+")
    found = compare(a, b, judged="sets")
    assert (len(found.broken), len(found.mended)) == (0, 1)


def test_images_are_the_same_by_file_text_and_pixels(run: Side) -> None:
    answers = list(run.answers)
    answers[0] = replace(answers[0], text="other")
    answers[1] = replace(answers[1], pixels="other")
    answers[2] = replace(answers[2], pixels=None)  # as MLflow has it: not known
    found = compare(run, replace(run, answers=answers))
    assert found.shared == len(answers) - 2
    assert not found.same_images


def test_images_keep_their_partners_when_the_parts_differ(run: Side) -> None:
    fewer = replace(run, answers=run.answers[3:])
    assert all(pair.a == pair.b for pair in pair_images(run, fewer))


def test_without_a_common_image_there_is_no_test() -> None:
    b = make_side("b", "++")
    strange = replace(b, answers=[replace(answer, text="zz") for answer in b.answers])
    found = compare(make_side("a", "+-"), strange)
    assert (found.shared, found.p) == (0, None)


def test_params_differ_by_value_or_by_being_there() -> None:
    a = make_side("a", "+", {"split.seed": "1", "split.folds": "null", "sample.images": "9"})
    b = make_side("b", "+", {"split.seed": "2", "split.folds": "null"})
    assert compare(a, b).params == [
        ParamPair("sample.images", "9", None),
        ParamPair("split.seed", "1", "2"),
    ]


def test_each_metric_has_its_own_value_and_interval() -> None:
    a, b = make_side("a", "+"), make_side("b", "+")
    metrics = {**b.metrics, "text_accuracy": 0.7, "exact_set": 0.5}
    metrics["intervals"] = {**b.metrics["intervals"], "text_accuracy": {"low": 0.6, "high": 0.8}}
    found = {pair.name: pair for pair in compare(a, replace(b, metrics=metrics)).metrics}
    assert list(found) == [*HEADLINES, "text_accuracy"]
    for name in HEADLINES:
        score = found[name].a
        assert score is not None
        bounds = a.metrics["intervals"][name]
        assert (score.value, score.low, score.high) == (
            a.metrics[name], bounds["low"], bounds["high"]
        )  # fmt: skip
    assert found["exact_set"].change == pytest.approx(0.5 - a.metrics["exact_set"])
    assert (found["text_accuracy"].a, found["text_accuracy"].change) == (None, None)


def test_labels_are_paired_by_name_and_the_worst_change_comes_first() -> None:
    a = make_side("a", "+", f1={"a": 0.5, "b": 0.9, "c": 0.7, "d": None})
    b = make_side("b", "+", f1={"a": 0.75, "b": 0.9, "c": 0.6, "e": 1.0})
    assert compare(a, b).labels == [
        LabelPair("c", 0.7, 0.6),
        LabelPair("b", 0.9, 0.9),
        LabelPair("d", None, None),
        LabelPair("e", None, 1.0),
        LabelPair("a", 0.5, 0.75),
    ]


def test_every_printable_label_survives_the_way_to_a_comparison(tmp_path: Path) -> None:
    """`+` came out as `'+`."""
    labels = "+=-@'\"<,;日"
    side = read_run("run", write_run(tmp_path, labels=labels, images=80))
    assert {pair.label for pair in compare(side, side).labels} == set(labels)
    assert {character for answer in side.answers for character in answer.text} == set(labels)
    assert {c for answer in side.answers for c in answer.missed + answer.invented} == set(labels)
