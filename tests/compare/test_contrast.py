from dataclasses import replace

import numpy as np
import pytest

from captcha_tagger.compare.contrast import (
    Shared,
    find_broken,
    find_mended,
    list_differences,
    pair_labels,
    share_images,
)
from captcha_tagger.report.results import load_run
from tests.runs import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load_run(write_run(tmp_path_factory.mktemp("run")))


def perfect(run):
    return replace(run, probs=run.targets.astype(np.float32))


def test_a_run_shares_every_image_with_itself_and_changes_none(run):
    shared = share_images(run, run)
    assert [(pair.a, pair.b) for pair in shared] == [(n, n) for n in range(len(run.validation))]
    assert find_broken(run, run, shared) == find_mended(run, run, shared) == []


def test_a_better_run_mends_just_the_images_that_were_wrong(run):
    shared = share_images(run, perfect(run))
    mended = find_mended(run, perfect(run), shared)
    assert {pair.a for pair in mended} == set(np.flatnonzero(run.wrong))
    assert find_broken(run, perfect(run), shared) == []
    assert {pair.b for pair in find_broken(perfect(run), run, shared)} == {p.a for p in mended}


def test_only_images_with_the_same_file_text_and_pixels_are_shared(run):
    rows = list(run.rows)
    first, second = run.validation[:2]
    rows[first] = rows[first]._replace(text="other")
    rows[second] = rows[second]._replace(pixels="other")
    assert len(share_images(run, replace(run, rows=rows))) == len(run.validation) - 2


def test_images_keep_their_partners_when_the_parts_differ(run):
    fewer = replace(run, validation=run.validation[3:])
    assert share_images(run, fewer)[0] == Shared(3, 0)


def test_labels_are_paired_by_name_and_the_worst_change_comes_first(run):
    table = [dict(row) for row in run.labels]
    table[3]["f1"] = "0.1"
    pairs = pair_labels(run, replace(run, labels=table))
    assert pairs[0].label == run.vocabulary[3]
    assert pairs[0].change == pytest.approx(0.1 - float(run.labels[3]["f1"]))


def test_a_label_that_one_run_never_met_has_no_score(run):
    fewer = replace(run, vocabulary=run.vocabulary[1:], labels=run.labels[1:])
    [pair] = [pair for pair in pair_labels(run, fewer) if pair.b is None]
    assert (pair.label, pair.change) == (run.vocabulary[0], 0.0)


def test_params_differ_by_value_or_by_being_there():
    a = {"split": {"seed": 1, "folds": None}, "sample": {"images": 9}}
    b = {"split": {"seed": 2, "folds": None}}
    assert list_differences(a, b) == [("sample.images", "9", ""), ("split.seed", "1", "2")]
