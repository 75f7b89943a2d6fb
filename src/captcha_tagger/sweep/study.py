"""The only import of Optuna: what to try next, and what is not worth going on with.

Both follow from what has been tried alone, so that a search which is begun again goes on as it
would have.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from captcha_tagger.base.errors import InputError
from captcha_tagger.sweep.space import Range, Values

ATTEMPTS = 100  # at something new, where there are few combinations

Dimensions = Mapping[str, list[str] | Range]


class Tried(NamedTuple):
    """A trial as Optuna shall see it: its score where it is complete, else as far as it came."""

    values: Values
    state: Literal["RUNNING", "COMPLETE", "PRUNED", "FAIL"]
    score: float | None = None
    shares: Mapping[int, float] = {}


def suggest(dimensions: Dimensions, past: Sequence[Tried], seed: int) -> Values | None:
    """Values that promise more than those that were tried; None where nothing new is found.

    Source: the tree-structured Parzen estimator of Bergstra et al. (2011), which takes trials at
    work for bad ones, so that several at a time do not ask for the same.
    """
    optuna = import_optuna()
    seed = random.Random(f"{seed} {len(past)}").getrandbits(32)
    study = _open_study(dimensions, past, sampler=optuna.samplers.TPESampler(seed=seed))
    tried = [one.values for one in past]
    for _ in range(ATTEMPTS):
        asked = study.ask(_list_distributions(dimensions)).params
        values = {name: _round(one, asked[name]) for name, one in dimensions.items()}
        if values not in tried:
            return values
    return None


def is_hopeless(dimensions: Dimensions, past: Sequence[Tried], shares: Mapping[int, float]) -> bool:
    """Whether a trial at work never was as good as half of the complete ones at its share."""
    optuna = import_optuna()
    study = _open_study(dimensions, past)
    running = optuna.trial.TrialState.RUNNING
    trial = optuna.trial.create_trial(state=running, intermediate_values=dict(shares))
    return optuna.pruners.MedianPruner().prune(study, trial)


def import_optuna() -> Any:
    """InputError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise InputError(
            "--search: Optuna is not installed; pip install -e '.[search]', or take --random"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _open_study(dimensions: Dimensions, past: Sequence[Tried], **options: Any) -> Any:
    optuna = import_optuna()
    study = optuna.create_study(direction="maximize", **options)
    for one in past:
        trial = optuna.trial.create_trial(
            state=optuna.trial.TrialState[one.state],
            value=one.score,
            params=one.values,
            distributions=_list_distributions(dimensions),
            intermediate_values=dict(one.shares),
        )
        study.add_trial(trial)
    return study


def _list_distributions(dimensions: Dimensions) -> dict[str, Any]:
    kinds = import_optuna().distributions

    def describe(one: list[str] | Range) -> Any:
        if not isinstance(one, Range):
            return kinds.CategoricalDistribution(one)
        kind = kinds.IntDistribution if one.is_whole else kinds.FloatDistribution
        return kind(one.low, one.high, log=one.log)

    return {name: describe(one) for name, one in dimensions.items()}


def _round(dimension: list[str] | Range, value: Any) -> str | float:
    return dimension.round(value) if isinstance(dimension, Range) else value
