"""The sweep command: its words and params.yaml -> trials that can run, and how they went."""

from collections.abc import Sequence

from captcha_tagger.base.settings import PARAMS, read_params, validate
from captcha_tagger.cluster.address import load_address
from captcha_tagger.commands.params import Params
from captcha_tagger.sweep.plan import change, describe, list_trials, read_choices
from captcha_tagger.sweep.sweep import sweep


def run_sweep(
    words: Sequence[str], *, number: int | None, seed: int, jobs: int | None, name: str | None
) -> int:
    """Run the trials of `--set`, all or so many drawn; 1 when one has failed, else 0.

    InputError before the first runs when params.yaml would not be valid in one of them.
    """
    params = read_params()
    validate(Params, params, str(PARAMS))
    trials = list_trials(read_choices(words), number, seed)
    for settings in trials:
        validate(Params, change(params, settings), f"{PARAMS} with {describe(settings)}")
    return 1 if sweep(trials, name, jobs, load_address()) else 0
