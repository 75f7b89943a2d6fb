"""How a trial's fine-tuning goes: the score after each of its epochs, at work and when done."""

from pathlib import Path
from typing import NamedTuple

from captcha_tagger.base.files import read_table
from captcha_tagger.engine.journal import read_facts

SCORE = "exact_set"  # as the registry ranks models
SHARES = 10


class Progress(NamedTuple):
    """The scores after the epochs so far, and how many epochs there shall be."""

    scores: list[float]
    epochs: int

    def shares(self) -> dict[int, float]:
        """By tenths of the training, the score after the last epoch that had ended by then.

        So trainings of different lengths, whose learning rates fall in proportion, are comparable.
        """
        ended = {share: share * self.epochs // SHARES for share in range(1, SHARES + 1)}
        return {
            share: self.scores[number - 1]
            for share, number in ended.items()
            if 0 < number <= len(self.scores)
        }


NOTHING = Progress([], 0)


def read_progress(clone: Path) -> Progress:
    """What the journal of the training at work has told so far."""
    for journal in (clone / ".state/live").glob("fine_tune-*"):
        try:
            return Progress(_read_scores(journal), int(read_facts(journal)["epochs"]))
        except (OSError, ValueError, KeyError):  # it has just begun, or just ended
            continue
    return NOTHING


def read_whole_progress(clone: Path) -> Progress:
    """That of the training that has ended."""
    scores = _read_scores(clone / "data/fine_tune")
    return Progress(scores, len(scores))


def _read_scores(folder: Path) -> list[float]:
    return [float(row[SCORE]) for row in read_table(folder / "epochs.csv", [SCORE])]
