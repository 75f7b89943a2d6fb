import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from captcha_tagger.base.files import write_json
from captcha_tagger.data.held_out import open_held_out
from captcha_tagger.data.labels import encode_texts
from captcha_tagger.data.manifest import Row, write_manifest
from captcha_tagger.data.pixels import PixelWriter, Shape
from captcha_tagger.data.readings import Reading
from captcha_tagger.evaluate.answers import ANSWERS, write_answers
from captcha_tagger.evaluate.evaluation import evaluate
from captcha_tagger.evaluate.params import Evaluate
from captcha_tagger.metrics import precision_recall
from tests.conftest import VOCABULARY, make_card

PARAMS = Evaluate(threshold="model", resamples=100, seed=0, evidence_images=1)
BLOCK = 10_000
ROW_NUMBER = 8  # bytes


def write_part(root: Path, size: int) -> None:
    """A validation part of so many images of one pixel, and what a model that errs says of them."""
    random = np.random.default_rng(0)
    (root / "ingest").mkdir(parents=True)
    with PixelWriter(root / "ingest" / "pixels.npy", Shape(1, 1, 1)) as writer:
        writer.append(np.zeros((size, 1, 1, 1), np.uint8))
    texts = ["".join(text) for text in random.choice(VOCABULARY, (size, 4))]
    rows = (Row(f"{n}.png", text, f"{n:x}", 1, 1) for n, text in enumerate(texts))
    write_manifest(root / "ingest" / "manifest.jsonl", rows)
    write_json(root / "split" / "parts.json", {"train": [], "validation": list(range(size))})
    (root / "evaluate").mkdir()
    with write_answers(
        root / "evaluate" / ANSWERS, np.arange(size), len(VOCABULARY), reads=True
    ) as add:
        for start in range(0, size, BLOCK):
            block = texts[start : start + BLOCK]
            logits = 4 * encode_texts(block, VOCABULARY) - 2
            logits += random.normal(size=logits.shape).astype(np.float32)
            sure = random.random(len(block)).tolist()
            add(
                logits,
                [Reading(text[:3] + "a", p, ()) for text, p in zip(block, sure, strict=True)],
            )


def measure(root: Path, size: int) -> int:
    """The most bytes that memory holds while so many images are scored."""
    write_part(root, size)
    images = open_held_out(root / "ingest", root / "split")
    tracemalloc.start()
    try:
        evaluate(images, make_card(), PARAMS, root / "evaluate")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_more_images_take_no_more_memory_than_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts, decisions and sorted probs took 390 bytes an image: 718 MB at a million."""
    monkeypatch.setattr(precision_recall, "BLOCK", BLOCK)  # all images would lie within one
    sizes = (BLOCK, 2 * BLOCK, 4 * BLOCK)  # the first for what is imported meanwhile
    _, few, many = (measure(tmp_path / str(size), size) for size in sizes)
    assert many - few < 2 * ROW_NUMBER * 2 * BLOCK
