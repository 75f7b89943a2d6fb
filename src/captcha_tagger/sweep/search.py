"""A search: trials that are asked for one after the other, by what those before have found.

What was asked for is remembered in `asked.json` of the sweep's folder before it runs, and what was
found beside it, so that the search goes on where it was, also with more trials than at first.
"""

from collections import deque
from pathlib import Path
from typing import Any

from captcha_tagger.base.files import read_json, write_json
from captcha_tagger.sweep.plan import Settings, describe
from captcha_tagger.sweep.progress import SCORE, SHARES, Progress
from captcha_tagger.sweep.space import Space, Values
from captcha_tagger.sweep.study import Tried, import_optuna, is_hopeless, suggest
from captcha_tagger.sweep.trial import Outcome


class Search:
    """So many trials in a space; InputError where Optuna is not installed."""

    def __init__(self, space: Space, number: int, seed: int) -> None:
        import_optuna()
        self.total = int(min(number, space.count()))
        self._space, self._seed = space, seed
        self._asked: list[Values] = []
        self._outcomes: dict[int, Outcome] = {}
        self._waiting: deque[int] = deque()

    @property
    def plan(self) -> dict[str, Any]:
        return {"search": self._space.choices, "seed": self._seed}

    def open(self, folder: Path) -> None:
        self._path = folder / "asked.json"
        self._asked = read_json(self._path) if self._path.exists() else []
        for number in range(1, len(self._asked) + 1):
            if (found := folder / f"{number}.json").exists():
                self._outcomes[number] = _read_outcome(found)
            elif number <= self.total:
                self._waiting.append(number)

    def ask(self) -> tuple[int, Settings] | None:
        if not self._waiting and not self._ask_anew():
            return None
        number = self._waiting.popleft()
        return number, self._space.fill(self._asked[number - 1])

    def judge(self, progress: Progress) -> str:
        """It should end when it is below the median of the others, each as far as it is."""
        shares = progress.shares()
        if not shares or SHARES in shares:
            return ""
        if not is_hopeless(self._space.dimensions, self._list_tried(), shares):
            return ""
        passed = f"after {len(progress.scores)} of {progress.epochs} epochs"
        return f"{passed}: {SCORE} {max(progress.scores):.4f} is below the median of others there"

    def tell(self, number: int, outcome: Outcome) -> None:
        self._outcomes[number] = outcome

    def describe_best(self) -> str:
        """The trial with the highest score, in a line."""
        scores = {n: one.scores[SCORE] for n, one in self._outcomes.items() if one.scores}
        if not scores:
            return "best: none, as no trial has ended well"
        best = max(scores, key=lambda number: (scores[number], -number))
        settings = describe(self._space.fill(self._asked[best - 1]))
        return f"best: trial {best}: {settings}: {SCORE} {scores[best]:.4f}"

    def _ask_anew(self) -> bool:
        if len(self._asked) >= self.total:
            return False
        values = suggest(self._space.dimensions, self._list_tried(), self._seed)
        if values is None:
            self.total = len(self._asked)
            print(f"nothing new is left to try after {self.total} trials", flush=True)
            return False
        self._asked.append(values)
        write_json(self._path, self._asked)
        self._waiting.append(len(self._asked))
        return True

    def _list_tried(self) -> list[Tried]:
        return [
            _describe_tried(values, self._outcomes.get(number))
            for number, values in enumerate(self._asked, start=1)
        ]


def _describe_tried(values: Values, outcome: Outcome | None) -> Tried:
    if outcome is None:
        return Tried(values, "RUNNING")
    if outcome.failure:
        return Tried(values, "FAIL")
    shares = outcome.progress.shares()
    if outcome.pruned:
        return Tried(values, "PRUNED", shares=shares)
    return Tried(values, "COMPLETE", outcome.scores[SCORE], shares)


def _read_outcome(path: Path) -> Outcome:
    kept = read_json(path)
    found = {name: kept[name] for name in Outcome._fields}
    return Outcome(**found | {"progress": Progress(*kept["progress"])})
