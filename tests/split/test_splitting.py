import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.labels import encode_texts, make_vocabulary
from captcha_tagger.split.params import Split
from captcha_tagger.split.splitting import choose_covering, group_rows, split_rows, tabulate_parts

texts_and_pixels = st.lists(
    st.tuples(st.text("abcd", min_size=1, max_size=4), st.sampled_from("0123456789")),
    min_size=2,
    max_size=60,
)


def params(**keys):
    values = {"method": "stratified", "validation": 0.2, "folds": None, "fold": 0}
    return Split(**values | {"train_images": None, "seed": 3} | keys)


def split(texts, pixels=None, **keys):
    pixels = pixels or [str(row) for row in range(len(texts))]
    targets = encode_texts(texts, make_vocabulary(texts))
    return split_rows(targets, group_rows(texts, pixels), params(**keys))


def random_texts(count, seed=0, length=5):
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list("2345678bcdefgmnpwxy"), length)) for _ in range(count)]


@given(texts_and_pixels, st.sampled_from(["stratified", "random"]), st.integers(0, 9))
def test_no_text_and_no_pixels_stand_on_both_sides(rows, method, seed):
    texts, pixels = map(list, zip(*rows, strict=True))
    try:
        parts = split(texts, pixels, method=method, seed=seed)
    except InputError:
        assert group_rows(texts, pixels).max() == 0
        return
    assert sorted([*parts.train, *parts.validation]) == list(range(len(rows)))
    assert len(parts.train)
    assert len(parts.validation)
    for values in (texts, pixels):
        train, validation = (
            {values[row] for row in part} for part in (parts.train, parts.validation)
        )
        assert not train & validation


@given(texts_and_pixels)
def test_groups_are_the_connected_components(rows):
    texts, pixels = map(list, zip(*rows, strict=True))
    groups = group_rows(texts, pixels)
    reached = np.eye(len(rows), dtype=bool)
    for _ in rows:  # the naive oracle: spread along shared texts and pixels until nothing changes
        linked = np.array([[a == b or c == d for b, d in rows] for a, c in rows])
        reached = (reached.astype(int) @ linked.astype(int)) > 0
    assert np.array_equal(reached, groups[:, None] == groups[None, :])


@pytest.mark.parametrize("method", ["stratified", "random"])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_the_validation_part_has_its_share_of_images(method, share):
    parts = split(random_texts(900), method=method, validation=share)
    assert abs(len(parts.validation) - 900 * share) <= 3


def test_labels_are_balanced_better_than_by_the_known_library():
    ml_stratifiers = pytest.importorskip("iterstrat.ml_stratifiers")
    texts = random_texts(900)
    targets = encode_texts(texts, make_vocabulary(texts))

    def worst(rows):
        return np.abs(targets[rows].sum(axis=0) / targets.sum(axis=0) - 0.2).max()

    library = ml_stratifiers.MultilabelStratifiedShuffleSplit(1, test_size=0.2, random_state=0)
    ours = worst(split(texts).validation)
    assert ours < 0.015
    assert ours < worst(next(library.split(targets, targets))[1])


def test_a_rare_label_reaches_both_parts():
    texts = ["aq", "bq", *random_texts(98)]
    parts = split(texts, validation=0.5)
    assert len({0, 1} & set(parts.train)) == 1


@pytest.mark.parametrize("method", ["stratified", "random"])
@pytest.mark.parametrize("count", [5, 63, 200])
def test_each_row_is_held_out_in_exactly_one_fold(method, count):
    held_out = [
        split(random_texts(count), method=method, folds=5, fold=fold).validation
        for fold in range(5)
    ]
    assert sorted(np.concatenate(held_out)) == list(range(count))
    assert all(abs(len(part) - count / 5) <= 3 for part in held_out)


def test_the_seed_alone_decides():
    texts = random_texts(100)
    first, again, other = (split(texts, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.train, again.train)
    assert not np.array_equal(first.train, other.train)


def test_fewer_images_than_folds_are_an_error():
    with pytest.raises(InputError, match="3 different images, fewer than the 5 parts"):
        split(["ab", "ab", "bc", "cd"], folds=5)


@pytest.mark.parametrize("count", [0, 1, 19, 100, 720, 5000])
def test_train_images_keeps_so_many_and_leaves_validation_alone(count):
    texts = random_texts(900)
    whole, some = split(texts), split(texts, train_images=count)
    assert np.array_equal(whole.validation, some.validation)
    assert len(some.train) == min(count, len(whole.train))
    assert set(some.train) <= set(whole.train)
    assert list(some.train) == sorted(some.train)


@given(st.integers(0, 50), st.integers(0, 60))
def test_a_few_images_cover_all_labels_and_grow_by_addition(seed, count):
    targets = encode_texts(random_texts(60, seed), list("2345678bcdefgmnpwxy"))
    rows = np.arange(60)

    def choose(number):
        return choose_covering(targets, rows, number, np.random.default_rng(seed))

    assert set(choose(count)) <= set(choose(count + 1))
    if count >= 19:
        assert targets[choose(count)].any(axis=0).all()


def test_the_table_counts_labels_in_each_part():
    texts = ["ab", "bc", "cd", "da", "bb"]
    vocabulary = make_vocabulary(texts)
    parts = split(texts)
    columns, table = tabulate_parts(encode_texts(texts, vocabulary), parts, vocabulary)
    assert columns == ["label", "train", "validation", "validation_share"]
    assert table[0] == ["all images", 4, 1, 0.2]
    assert [row[1] + row[2] for row in table[1:]] == [2, 3, 2, 2]
