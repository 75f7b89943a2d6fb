"""What the final model answers on the validation part, kept for the scores and for the page.

data/evaluate/answers/ is written as the answers come and read as it is needed: all of them
together would fill memory. No torch: showing needs none.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captcha_tagger.base.files import atomic_file, read_array, stream_array, write_array
from captcha_tagger.data.readings import Reading, format_reading, iterate_readings, open_readings

ANSWERS = "answers"  # the folder, beside the scores
ROWS, LOGITS, SHOWN, EVIDENCE = "rows.npy", "logits.npy", "shown.npy", "evidence.npy"
READINGS = "readings.jsonl"

Logits = NDArray[np.float32]
Add = Callable[[Logits, Sequence[Reading]], None]


@contextmanager
def write_answers(
    folder: Path, rows: NDArray[np.int64], num_labels: int, *, reads: bool
) -> Iterator[Add]:
    """Yield what adds the next images' logits (images, labels) and, of models that read, readings.

    `rows` are those of all images in the manifest.
    """
    folder.mkdir()
    write_array(folder / ROWS, rows)
    shape = (len(rows), num_labels)
    with (
        stream_array(folder / LOGITS, shape, np.float32) as add_logits,
        _write_readings(folder / READINGS, reads=reads) as add_readings,
    ):

        def add(logits: Logits, readings: Sequence[Reading]) -> None:
            add_logits(logits)
            add_readings(readings)

        yield add


@contextmanager
def _write_readings(path: Path, *, reads: bool) -> Iterator[Callable[[Sequence[Reading]], None]]:
    """Write no file where the model does not read."""
    if not reads:
        yield lambda readings: None
        return
    with atomic_file(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        yield lambda readings: file.writelines(map(format_reading, readings))


def write_evidence(folder: Path, shown: NDArray[np.int64], evidence: NDArray[np.float16]) -> None:
    """Of the images shown, by their sorted positions (shown,), where the model saw which label:
    0..1 (shown, labels, rows, columns)."""
    write_array(folder / SHOWN, shown)
    write_array(folder / EVIDENCE, evidence)


def read_logits(folder: Path) -> Logits:
    """The logits of all images (images, labels), mapped."""
    return read_array(folder / LOGITS)


def read_evidence(folder: Path) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """The positions of the images shown, and their evidence."""
    return read_array(folder / SHOWN), read_array(folder / EVIDENCE)


def reads_texts(folder: Path) -> bool:
    """Whether the model that answered reads, and not only label sets."""
    return (folder / READINGS).exists()


def iterate_texts(folder: Path) -> Iterator[Reading]:
    """What the model read, image by image; nothing where it answers label sets alone."""
    return iterate_readings(folder / READINGS) if reads_texts(folder) else iter(())


def open_texts(folder: Path) -> Sequence[Reading]:
    """The same by number."""
    return open_readings(folder / READINGS) if reads_texts(folder) else ()
