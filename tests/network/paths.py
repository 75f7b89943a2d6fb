"""CTC by brute force: every path through a few columns, as an oracle."""

import itertools
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

Text = tuple[int, ...]


def enumerate_texts(probs: NDArray[np.float64]) -> dict[Text, float]:
    """The prob of every text that the columns (columns, labels + 1) can spell, by all paths."""
    columns, labels = probs.shape
    texts: defaultdict[Text, float] = defaultdict(float)
    for path in itertools.product(range(labels), repeat=columns):
        merged = [label for label, _ in itertools.groupby(path)]
        text = tuple(label for label in merged if label != labels - 1)
        texts[text] += float(np.prod(probs[np.arange(columns), path]))
    return texts


def draw_log_probs(
    seed: int, images: int = 3, columns: int = 5, labels: int = 3
) -> NDArray[np.float32]:
    """Log probs (images, columns, labels + 1), some columns sure and some not."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, generator.choice([0.5, 3.0], (images, columns, 1)),
                              (images, columns, labels + 1))  # fmt: skip
    return (logits - np.logaddexp.reduce(logits, 2, keepdims=True)).astype(np.float32)
