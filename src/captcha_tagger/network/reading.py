"""From what each column of an image says to its text: numpy alone, as servers and pages need it.

Log probs (images, columns, labels + 1), the blank last -> Readings. Greedy decoding merges the
likeliest labels of the columns; prefix beam search adds up all paths of a text, and so finds the
most probable one.
Sources: Graves et al., "Connectionist Temporal Classification" (2006); Hannun et al.,
"First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs"
(2014), algorithm 1.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.patterns import limit_pattern
from captcha_tagger.data.readings import Reading
from captcha_tagger.network.params import GREEDY, Read

BEAM_WIDTH = 64  # prefixes kept after each column
LEAST_PROB = 1e-5  # a label less probable than this in a column opens no new prefix there

Probs = NDArray[np.float64]
Labels = NDArray[np.int64]
Prefix = tuple[int, ...]


def read(
    log_probs: NDArray[np.float32], vocabulary: Sequence[str], width: int, how: Read = GREEDY
) -> list[Reading]:
    """The text of each image, `width` pixels wide, with its prob and its characters' places.

    With a pattern it is the most probable text of the beam that matches, and its prob that among
    them; where none matches it is the empty text, of which nothing is sure.
    """
    probs = np.exp(log_probs.astype(np.float64))
    columns, blank = probs.shape[1], probs.shape[2] - 1
    if how.decoding == "greedy":
        spelled = [_runs(path, blank) for path in probs.argmax(2)]
        confidences = text_probs(probs, [[label for label, _, _ in runs] for runs in spelled])
    else:
        found = [(one, *search(one, vocabulary, how.pattern)) for one in probs]
        spelled = [_runs(align(one, text), blank) for one, text, _ in found]
        confidences = [confidence for _, _, confidence in found]
    edges = np.rint(np.arange(columns + 1) * (width / columns)).astype(int).tolist()
    return [
        Reading(
            "".join(vocabulary[label] for label, _, _ in runs),
            min(confidence, 1.0),  # of rounded probs the sum may lie above
            tuple((edges[first], edges[last + 1]) for _, first, last in runs),
        )
        for runs, confidence in zip(spelled, confidences, strict=True)
    ]


def text_probs(probs: Probs, texts: Sequence[Sequence[int]]) -> list[float]:
    """The prob of each image's text: the sum over all of its paths (the forward algorithm)."""
    images, columns, labels = probs.shape
    lengths = np.array([len(text) for text in texts], int)
    blank = labels - 1
    # A path goes through blank, first label, blank, second label, ..., blank.
    states = np.full((images, 2 * lengths.max(initial=0) + 1), blank)
    for row, text in enumerate(texts):
        states[row, 1 : 2 * len(text) : 2] = text
    skips = np.zeros(states.shape, bool)  # a blank may be left out between two different labels
    skips[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    said = np.take_along_axis(probs, states[:, None, :], 2)  # (images, columns, states)
    reached = np.zeros(states.shape)
    reached[:, :2] = said[:, 0, :2]
    for column in range(1, columns):
        arriving = reached.copy()
        arriving[:, 1:] += reached[:, :-1]
        arriving[:, 2:] += np.where(skips[:, 2:], reached[:, :-2], 0)
        reached = arriving * said[:, column]
    rows = np.arange(images)
    before_last = np.where(lengths > 0, reached[rows, 2 * lengths - 1], 0)
    return (reached[rows, 2 * lengths] + before_last).tolist()


def search(
    probs: Probs, vocabulary: Sequence[str], pattern: str | None = None
) -> tuple[Prefix, float]:
    """The most probable text of one image (columns, labels + 1), labels by number, and its prob.

    Given a pattern, that is its share of the probs of all texts of the beam that match. InputError
    when the pattern is so slow that it would never end; then for a main thread alone.
    """
    finals = _grow_beam(probs)
    if pattern is not None:
        finals = _keep_matching(finals, vocabulary, pattern)
    if not finals:
        return (), 0.0
    found = np.array(text_probs(np.broadcast_to(probs, (len(finals), *probs.shape)), finals))
    best = int(found.argmax())
    every = 1.0 if pattern is None else max(found.sum(), np.finfo(float).tiny)
    return finals[best], float(found[best] / every)


def align(probs: Probs, text: Prefix) -> Labels:
    """The most probable path of a text through one image's columns: labels by number (columns,)."""
    blank = probs.shape[1] - 1
    states = np.full(2 * len(text) + 1, blank)
    states[1::2] = text
    with np.errstate(divide="ignore"):
        said = np.log(probs[:, states])  # (columns, states)
    allowed = np.full((3, len(states)), -np.inf)  # staying, from the state before, and skipping one
    allowed[0], allowed[1, 1:] = 0, 0
    allowed[2, 2:] = np.where((states[2:] != blank) & (states[2:] != states[:-2]), 0, -np.inf)
    best = np.full(len(states), -np.inf)
    best[:2] = said[0, :2]
    moves = np.zeros(said.shape, int)  # how many states back the best path came from
    for column in range(1, len(said)):
        arriving = allowed + np.stack([np.roll(best, move) for move in range(3)])
        moves[column] = arriving.argmax(0)
        best = arriving.max(0) + said[column]
    state = len(states) - 1 - int(len(text) > 0 and best[-2] > best[-1])
    path = np.empty(len(said), int)
    for column in range(len(said) - 1, -1, -1):
        path[column] = states[state]
        state -= moves[column, state]
    return path


def _grow_beam(probs: Probs) -> list[Prefix]:
    """The likeliest texts of one image, each with the paths that the beam kept."""
    blank = probs.shape[1] - 1
    beam: dict[Prefix, tuple[float, float]] = {(): (1.0, 0.0)}  # paths ending in blank, in a label
    for column in probs.tolist():
        likely = [label for label, prob in enumerate(column[:blank]) if prob > LEAST_PROB]
        ends_blank: defaultdict[Prefix, float] = defaultdict(float)
        ends_label: defaultdict[Prefix, float] = defaultdict(float)
        for prefix, (in_blank, in_label) in beam.items():
            ends_blank[prefix] += (in_blank + in_label) * column[blank]
            if prefix:
                ends_label[prefix] += in_label * column[prefix[-1]]
            for label in likely:
                before = in_blank if prefix and label == prefix[-1] else in_blank + in_label
                ends_label[(*prefix, label)] += before * column[label]
        grown = {prefix: (ends_blank[prefix], ends_label[prefix])
                 for prefix in {**ends_blank, **ends_label}}  # fmt: skip
        kept = sorted(grown, key=lambda prefix: -sum(grown[prefix]))[:BEAM_WIDTH]
        beam = {prefix: grown[prefix] for prefix in kept}
    return list(beam)


def _keep_matching(
    prefixes: Sequence[Prefix], vocabulary: Sequence[str], pattern: str
) -> list[Prefix]:
    texts = ["".join(vocabulary[label] for label in prefix) for prefix in prefixes]
    matched: list[bool] = []
    with limit_pattern("read.pattern", lambda: texts[len(matched)]):
        matched.extend(re.fullmatch(pattern, text) is not None for text in texts)
    return list(compress(prefixes, matched))


def _runs(path: Labels, blank: int) -> list[tuple[int, int, int]]:
    """The characters that a path spells: label, first column and last column of each."""
    changes = np.flatnonzero(path[1:] != path[:-1]) + 1
    firsts, lasts = [0, *changes.tolist()], [*(changes - 1).tolist(), len(path) - 1]
    return [
        (label, first, last)
        for first, last in zip(firsts, lasts, strict=True)
        if (label := int(path[first])) != blank
    ]
