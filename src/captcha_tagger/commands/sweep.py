"""The sweep command: its words and params.yaml -> trials that can run, and how they went."""

from collections.abc import Iterable, Sequence

from captcha_tagger.base.settings import PARAMS, read_params, validate
from captcha_tagger.base.work.address import load_address
from captcha_tagger.params import Params
from captcha_tagger.sweep.plan import Settings, change, describe, list_trials, read_choices
from captcha_tagger.sweep.proposals import TrialList
from captcha_tagger.sweep.search import Search
from captcha_tagger.sweep.space import read_space, refuse_ranges
from captcha_tagger.sweep.sweep import sweep


def run_sweep(
    words: Sequence[str],
    *,
    number: int | None,
    search: int | None,
    seed: int,
    jobs: int | None,
    name: str | None,
) -> int:
    """Run the trials of `--set`: all, so many drawn or so many searched for; 1 when one has failed,
    else 0.

    InputError before the first runs when params.yaml would not be valid with a value.
    """
    choices = read_choices(words)
    if search is None:
        refuse_ranges(choices)
        trials = list_trials(choices, number, seed)
        _check(trials)
        return 1 if sweep(TrialList(trials), trials, name, jobs, load_address()) else 0
    space = read_space(choices)
    ends = list(space.list_ends())
    _check(ends)
    searched = Search(space, search, seed)
    failed = sweep(searched, ends, name, jobs, load_address())
    print(searched.describe_best())
    return 1 if failed else 0


def _check(trials: Iterable[Settings]) -> None:
    params = read_params()
    validate(Params, params, str(PARAMS))
    for settings in trials:
        validate(Params, change(params, settings), f"{PARAMS} with {describe(settings)}")
