"""A pass of benchmarks/kills.py: every stage killed once, at moments drawn anew each time."""

import random
from pathlib import Path

import pytest

from benchmarks.kills import draw_moments, run_with_kills, shrink
from captcha_tagger.reproduce.verify import make_clone
from tests.conftest import Finished

KILLS = 8


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_in_every_stage_it_ends_with_the_undisturbed_hashes(
    finished: Finished, tmp_path: Path
) -> None:
    seed = random.randrange(2**32)
    moments = draw_moments(list(finished.seconds), KILLS, seed)
    clone = shrink(make_clone(finished.root, tmp_path / "clone"))
    tally = run_with_kills(finished.root, clone, moments, finished.seconds)
    assert not tally.differences, f"seed {seed}"
    # A last stage that takes less time than it did undisturbed is over before its moment comes.
    assert tally.stages.total() == KILLS - tally.late, f"seed {seed}"
    assert tally.late <= 1, f"seed {seed}"
