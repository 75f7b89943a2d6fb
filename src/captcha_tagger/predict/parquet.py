"""Answers as a Parquet file: a row an image file, in their order, for programs that read many."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from captcha_tagger.base.files import atomic_file
from captcha_tagger.base.shown import escape
from captcha_tagger.predict.named import File
from captcha_tagger.predict.predictor import Prediction

GROUP = 10_000  # rows that are compressed and read together

Answers = Iterable[tuple[File, Prediction | str]]  # of each file, or why there is none


@contextmanager
def stream_parquet(path: Path) -> Iterator[Callable[[Answers], None]]:
    """Yield what writes the next rows; the file is there when the block succeeds.

    `error` says why a file has no answer, and `text` is empty where the model reads none.
    """
    import pyarrow  # a third of a second that other answers need not wait
    import pyarrow.parquet

    text, number = pyarrow.string(), pyarrow.float64()
    columns = {
        "file": text,
        "error": text,
        "text": text,
        "confidence": number,
        "labels": pyarrow.list_(text),
        "probs": pyarrow.map_(text, number),
        "threshold": number,
    }
    schema = pyarrow.schema(columns.items())
    with atomic_file(path) as beside, pyarrow.parquet.ParquetWriter(beside, schema) as writer:
        rows: list[dict[str, Any]] = []

        def append(answers: Answers) -> None:
            rows.extend(_as_row(file, answer) for file, answer in answers)
            if len(rows) >= GROUP:
                flush()

        def flush() -> None:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
            rows.clear()

        yield append
        flush()


def _as_row(file: File, answer: Prediction | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"file": escape(str(file)), "error": answer}
    row = answer.as_dict()
    row.pop("spans", None)
    return {"file": escape(str(file)), **row, "probs": list(row["probs"].items())}
