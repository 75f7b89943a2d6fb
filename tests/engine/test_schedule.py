import pytest
import torch

from captcha_tagger.engine.schedule import one_cycle, spread


def test_one_cycle_equals_torchs() -> None:
    num_steps = 100
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=1.0)
    oracle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, num_steps, pct_start=0.25, div_factor=25, final_div_factor=4000
    )
    for step in range(num_steps):
        assert one_cycle(step, num_steps) == pytest.approx(oracle.get_last_lr()[0], abs=1e-6)
        optimizer.step()
        oracle.step()


def test_a_single_step_learns() -> None:
    """It was the last of a cycle, at a hundred-thousandth of the peak."""
    assert one_cycle(0, 1) == 1.0


def test_spread_is_geometric_and_ends_at_the_head() -> None:
    assert spread(0.001, 0.1, 3) == pytest.approx([0.001, 0.01, 0.1])
    assert spread(0.1, 0.001, 3) == pytest.approx([0.1, 0.01, 0.001])
    assert spread(0.001, 0.1, 1) == [0.1]
