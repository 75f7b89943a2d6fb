"""Which case the texts get where the params say `ingest.case: auto`.

Names and labels that people typed tell a letter's case even where the images do not. If hardly any
letter is a capital, and each capital also occurs as a small letter, the capitals are taken for
slips; and the other way round. In a set whose case matters, both are frequent.
"""

from collections import Counter
from collections.abc import Iterable

from captcha_tagger.data.labels import Case
from captcha_tagger.ingest.names import read_texts
from captcha_tagger.ingest.params import Ingest
from captcha_tagger.ingest.verdicts import Reject
from captcha_tagger.source.limits import Found

NAMES_SAMPLED = 20_000
RARE = 0.05  # share of all letters that may be slips


def choose_case(files: Iterable[Found], params: Ingest) -> Case:
    """What params say, and for `auto` what the files' texts do; a choice that folds is printed."""
    if params.case != "auto":
        return params.case
    texts = (text for text in read_texts(list(files), params) if not isinstance(text, Reject))
    letters = Counter(letter for text in texts for letter in text if letter.swapcase() != letter)
    capitals = {letter: count for letter, count in letters.items() if letter.isupper()}
    small = {letter: count for letter, count in letters.items() if letter.islower()}
    choices: tuple[tuple[Case, dict[str, int]], ...] = (("lower", capitals), ("upper", small))
    for case, odd in choices:
        if odd and sum(odd.values()) <= RARE * letters.total() and _stand_folded(odd, letters):
            names = " and ".join(sorted(odd))
            print(
                f"ingest: texts are taken as {case} case, for {names} "
                f"{'is' if len(odd) == 1 else 'are'} rare beside the same letters in the other; "
                "ingest.case: keep would tell them apart"
            )
            return case
    return "keep"


def _stand_folded(odd: Iterable[str], letters: Counter[str]) -> bool:
    return all(letter.swapcase() in letters for letter in odd)
