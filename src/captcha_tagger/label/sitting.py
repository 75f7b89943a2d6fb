"""One sitting at a set of images: which is shown, what is proposed for it, where one has been.

All that outlasts it is the table of labels.
"""

import numpy as np
from pydantic import BaseModel

from captcha_tagger.base.errors import InputError
from captcha_tagger.data.labels import Case, clean_text
from captcha_tagger.data.readings import Reading, Spans
from captcha_tagger.label.candidates import Candidates
from captcha_tagger.label.order import order_images
from captcha_tagger.label.reader import Reader
from captcha_tagger.label.table import LabelTable


class State(BaseModel):
    """What the page shows; no `number` when all images have been shown."""

    number: int | None
    upcoming: int | None  # what is likely shown next
    file: str = ""
    text: str = ""
    given: bool = False  # by a person, and not proposed
    read: str = ""
    confidence: float = 0
    spans: Spans = ()
    width: int
    labelled: int
    images: int
    skipped: int
    answered: int  # in this sitting
    accepted: int  # of these, as proposed


class Sitting:
    """The images without a label in an order that stays, and a place in it."""

    def __init__(
        self, candidates: Candidates, reader: Reader, table: LabelTable, case: Case
    ) -> None:
        self._candidates, self._reader = candidates, reader
        self._table, self._case = table, case
        files = set(candidates.files)
        self._labels = {file: text for file, text in table.read().items() if text and file in files}
        self._order = self._sort()
        self._place = 0
        self._skipped: set[int] = set()
        self._answers: dict[int, bool] = {}  # of the images answered: whether as proposed

    def show(self) -> State:
        """The image whose turn it is, with its label or what is proposed for it."""
        number, upcoming = (
            self._order[place] if place < len(self._order) else None
            for place in (self._place, self._place + 1)
        )
        state = State(
            number=number,
            upcoming=upcoming,
            width=self._reader.shape.width,
            labelled=len(self._labels),
            images=len(self._candidates.files),
            skipped=len(self._skipped),
            answered=len(self._answers),
            accepted=sum(self._answers.values()),
        )
        return state if number is None else state.model_copy(update=self._describe(number))

    def answer(self, number: int, text: str) -> None:
        """Write the text of an image and go on; InputError says why it is no text."""
        place = self._find(number)
        text = clean_text(text.strip(), self._case)
        file, is_accepted = self._candidates.files[number], text == self._propose(number).text
        self._table.add(file, text)
        self._answers[number] = self._answers.get(number, True) and is_accepted
        self._labels[file] = text
        self._skipped.discard(number)
        self._place = place + 1

    def skip(self, number: int) -> None:
        """Go on without a text."""
        self._place = self._find(number) + 1
        if self._candidates.files[number] not in self._labels:
            self._skipped.add(number)

    def go_back(self) -> None:
        """Return to the image before; stay at the first."""
        self._place = max(0, self._place - 1)

    def picture(self, number: int) -> bytes:
        """A WebP file; InputError where there is no such image."""
        self._find(number)
        return self._candidates.pictures[number]

    def _find(self, number: int) -> int:
        if number not in self._order:
            raise InputError("no such image")
        return self._order.index(number)

    def _describe(self, number: int) -> dict[str, object]:
        file, proposed = self._candidates.files[number], self._propose(number)
        label = self._labels.get(file)
        return {
            "file": file,
            "text": proposed.text if label is None else label,
            "given": label is not None,
            "read": proposed.text,
            "confidence": proposed.confidence,
            "spans": proposed.spans,
        }

    def _propose(self, number: int) -> Reading:
        """What the reader says by now: each label makes its characters likelier."""
        rows = self._candidates.seen.log_probs[number : number + 1]
        return self._reader.read(rows, self._labels.values())[0]

    def _sort(self) -> list[int]:
        seen = self._candidates.seen
        readings = self._reader.read(seen.log_probs, self._labels.values())
        return order_images(
            seen.features,
            seen.presence,
            np.array([reading.confidence for reading in readings]),
            np.array([file in self._labels for file in self._candidates.files]),
        )
