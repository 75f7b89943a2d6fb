import itertools
import re

import numpy as np
import pytest
import torch

from captcha_tagger.data.readings import Spans
from captcha_tagger.network.ctc import text_losses
from captcha_tagger.network.params import Read
from captcha_tagger.network.reading import align, read, search, text_probs
from tests.network.paths import draw_log_probs, enumerate_texts

VOCABULARY = ["a", "b", "c"]
BEAM = Read(decoding="beam", pattern=None)


def spell(columns: str, sure: float = 0.9) -> np.ndarray:
    """Log probs (1, columns, 4) whose likeliest path is this one, `-` the blank."""
    path = ["abc-".index(label) for label in columns]
    probs = np.full((1, len(path), 4), (1 - sure) / 3, np.float32)
    probs[0, np.arange(len(path)), path] = sure
    return np.log(probs)


@pytest.mark.parametrize(
    ("columns", "text", "spans"),
    [
        ("-aa-b-", "ab", ((10, 30), (40, 50))),
        ("aa-ab-", "aab", ((0, 20), (30, 40), (40, 50))),
        ("------", "", ()),
        ("abcabc", "abcabc", tuple((10 * n, 10 * n + 10) for n in range(6))),
    ],
)
@pytest.mark.parametrize("how", [Read(decoding="greedy", pattern=None), BEAM])
def test_runs_are_characters_and_stand_where_they_were_read(
    columns: str, text: str, spans: Spans, how: Read
) -> None:
    (found,) = read(spell(columns), VOCABULARY, 60, how)
    assert (found.text, found.spans) == (text, spans)


@pytest.mark.parametrize("seed", range(4))
def test_the_confidence_is_the_prob_of_all_paths(seed: int) -> None:
    log_probs = draw_log_probs(seed)
    for one, found in zip(log_probs, read(log_probs, VOCABULARY, 50), strict=True):
        texts = enumerate_texts(np.exp(one.astype(float)))
        assert found.confidence == pytest.approx(texts[tuple(map(VOCABULARY.index, found.text))])


@pytest.mark.parametrize("how", [Read(decoding="greedy", pattern=None), BEAM])
def test_no_confidence_lies_above_one(how: Read) -> None:
    """Probs of 32 bits add up to a little more."""
    log_probs = torch.randn(500, 8, 4, generator=torch.manual_seed(0)).mul(20).log_softmax(2)
    found = read(log_probs.numpy(), VOCABULARY, 80, how)
    assert max(one.confidence for one in found) == 1.0


def test_the_confidence_is_that_of_torchs_loss_on_long_lines() -> None:
    log_probs = draw_log_probs(0, images=4, columns=40)
    found = text_probs(np.exp(log_probs.astype(float)), [[0, 1, 1, 2], [2], [1] * 9, [0, 1] * 6])
    texts = torch.full((4, 12), -1)
    for row, text in enumerate([[0, 1, 1, 2], [2], [1] * 9, [0, 1] * 6]):
        texts[row, : len(text)] = torch.tensor(text)
    losses = text_losses(torch.from_numpy(log_probs), texts)
    np.testing.assert_allclose(found, np.exp(-losses.double().numpy()), rtol=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_finds_the_most_probable_text(seed: int) -> None:
    for one in np.exp(draw_log_probs(seed).astype(float)):
        texts = enumerate_texts(one)
        text, prob = search(one, VOCABULARY)
        assert texts[text] == pytest.approx(max(texts.values()))
        assert prob == pytest.approx(texts[text])


def test_a_beam_sees_what_the_likeliest_path_hides() -> None:
    """Graves et al. (2006): `a` by three paths is likelier than the blank's single one."""
    log_probs = np.log([[[0.4, 1e-9, 1e-9, 0.6], [0.4, 1e-9, 1e-9, 0.6]]]).astype(np.float32)
    assert read(log_probs, VOCABULARY, 20)[0].text == ""
    (found,) = read(log_probs, VOCABULARY, 20, BEAM)
    assert (found.text, found.confidence) == ("a", pytest.approx(0.64))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("pattern", ["[ab]{2}", "a?b?c?", ".{4}"])
def test_a_pattern_finds_the_most_probable_text_that_matches(seed: int, pattern: str) -> None:
    for one in np.exp(draw_log_probs(seed).astype(float)):
        spelled = {"".join(VOCABULARY[i] for i in text): prob
                   for text, prob in enumerate_texts(one).items()}  # fmt: skip
        matching = {text: prob for text, prob in spelled.items() if re.fullmatch(pattern, text)}
        text, share = search(one, VOCABULARY, pattern)
        found = "".join(VOCABULARY[i] for i in text)
        assert matching[found] == pytest.approx(max(matching.values()))
        least = matching[found] / sum(matching.values())  # were every text in the beam
        assert least <= share * (1 + 1e-9) <= 1 + 1e-6


def test_where_no_text_matches_nothing_is_sure() -> None:
    (found,) = read(spell("-a-b-"), VOCABULARY, 50, Read(decoding="beam", pattern="x+"))
    assert (found.text, found.confidence, found.spans) == ("", 0.0, ())


@pytest.mark.parametrize("seed", range(5))
def test_the_alignment_is_the_texts_most_probable_path(seed: int) -> None:
    probs = np.exp(draw_log_probs(seed, images=1).astype(float))[0]
    for text in [(), (0,), (1, 1), (0, 2, 1)]:
        paths = [
            path
            for path in itertools.product(range(4), repeat=5)
            if tuple(label for label, _ in itertools.groupby(path) if label != 3) == text
        ]
        best = max(np.prod(probs[np.arange(5), path]) for path in paths)
        path = align(probs, text)
        assert tuple(path) in paths
        assert np.prod(probs[np.arange(5), path]) == pytest.approx(best)
