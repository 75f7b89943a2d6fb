"""What a sweep has run: a list of trials, or whatever a search asks for next."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from captcha_tagger.sweep.plan import Settings
from captcha_tagger.sweep.progress import Progress
from captcha_tagger.sweep.trial import Outcome


class Proposals(Protocol):
    """Trials, numbered from one. What is found of number N is kept in N.json of the folder."""

    total: int

    @property
    def plan(self) -> dict[str, Any]:
        """What makes it another sweep, as JSON."""

    def open(self, folder: Path) -> None:
        """Go on with what is in the folder."""

    def ask(self) -> tuple[int, Settings] | None:
        """A trial that is neither done nor at work; None when there is none."""

    def judge(self, progress: Progress) -> str:
        """Why a trial at work with this progress should end, if it should."""

    def tell(self, number: int, outcome: Outcome) -> None:
        """How a trial has gone."""


class TrialList:
    """All trials of a list, each to its end."""

    def __init__(self, trials: Sequence[Settings]) -> None:
        self.trials, self.total = list(trials), len(trials)
        self._waiting: deque[int] = deque()

    @property
    def plan(self) -> dict[str, Any]:
        return {"trials": self.trials}

    def open(self, folder: Path) -> None:
        numbers = range(1, self.total + 1)
        self._waiting.extend(n for n in numbers if not (folder / f"{n}.json").exists())

    def ask(self) -> tuple[int, Settings] | None:
        if not self._waiting:
            return None
        number = self._waiting.popleft()
        return number, self.trials[number - 1]

    def judge(self, progress: Progress) -> str:
        return ""

    def tell(self, number: int, outcome: Outcome) -> None:
        pass
