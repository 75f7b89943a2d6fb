"""Learning rates as pure functions of the step, so that a resumed run needs no schedule state."""

import math

WARM_UP = 0.25  # share of the steps
START = 1 / 25  # shares of the peak
END = 1e-5


def one_cycle(step: int, num_steps: int) -> float:
    """The share of the peak learning rate at a step in 0..num_steps-1: up and down in cosines; the
    peak itself where there is but one step.

    Source: Smith and Topin, "Super-Convergence" (2018); the shares are fastai's `fit_one_cycle`.
    """
    if num_steps == 1:
        return 1.0
    peak = WARM_UP * num_steps - 1
    if step <= peak:
        return _anneal(START, 1.0, step / peak) if peak else 1.0
    return _anneal(1.0, END, (step - peak) / (num_steps - 1 - peak))


def spread(first: float, head: float, groups: int) -> list[float]:
    """Discriminative learning rates: geometric from the first layer group to the head.

    Source: Howard and Ruder, "Universal Language Model Fine-tuning" (2018), section 3.2.
    """
    if groups == 1:
        return [head]
    return [first * (head / first) ** (group / (groups - 1)) for group in range(groups)]


def _anneal(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
