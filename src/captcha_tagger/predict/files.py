"""Image files -> what the model says of each, in order: on all cores, or by the tasks of a cluster.

Which images are computed together follows from their order alone, and each batch is computed by one
thread: so who computes changes no bit.
"""

from collections.abc import Generator, Sequence
from functools import cache, partial

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.processes import in_batches
from captcha_tagger.base.work.session import Shared, open_session
from captcha_tagger.predict.named import File, read_files
from captcha_tagger.predict.predictor import BATCH, Prediction, Predictor
from captcha_tagger.source.decoding import CRASH

MAX_BYTES = 50_000_000  # of one file
FILES_HERE = 4000  # which one machine answers sooner than Ray starts
TASK_BATCHES = 32  # of a cluster: a second's work

Outcome = tuple[File, Prediction | str]  # a file and what is in it, or why it cannot be used


def predict_files(predictor: Predictor, files: Sequence[File]) -> Generator[list[Outcome]]:
    """The answers in the files' order, a batch at a time."""
    return predictor.on_all_cores(partial(_answer, predictor), in_batches(files, BATCH))


def predict_on_cluster(
    address: str, predictor: Predictor, files: Sequence[File]
) -> Generator[list[Outcome]]:
    """As predict_files, by tasks that find the files under the same paths or addresses.

    Where an image ends every process that decodes it, its batch is answered image by image.
    """
    with open_session(address) as session:
        answer = partial(answer_batches, predictor=session.share(predictor))

        def answer_one_by_one(batch: Sequence[File]) -> list[list[Outcome]]:
            alone = ([[file]] for file in batch)
            found = session.map_batches(answer, alone, on_crash=_report_crash)
            return [[outcome for (outcomes,) in found for outcome in outcomes]]

        tasks = in_batches(in_batches(files, BATCH), TASK_BATCHES)
        for found in session.map_batches(answer, tasks, on_crash=answer_one_by_one):
            yield from found


def _report_crash(files: Sequence[File]) -> list[list[Outcome]]:
    return [[(file, CRASH) for file in files]]


def answer_batches(
    batches: Sequence[Sequence[File]], predictor: Shared[Predictor]
) -> list[list[Outcome]]:
    """The answers of the batches, by a model that this process is handed but once."""
    return [_answer(_load(predictor), files) for files in batches]


@cache
def _load(predictor: Shared[Predictor]) -> Predictor:
    return predictor.get()


def _answer(predictor: Predictor, files: Sequence[File]) -> list[Outcome]:
    outcomes = list(predictor.decode(read_files(files, MAX_BYTES)))
    found = iter(predictor.answer([one for one in outcomes if not isinstance(one, InputError)]))
    return [
        (file, str(outcome) if isinstance(outcome, InputError) else next(found))
        for file, outcome in zip(files, outcomes, strict=True)
    ]
