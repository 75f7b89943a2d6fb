import torch
from torch import Tensor, nn

from captcha_tagger.engine.optimizer import BETAS, build_optimizer


def make_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))


def take_step(model: nn.Module, optimizer: torch.optim.Optimizer, pixels: Tensor) -> None:
    optimizer.zero_grad()
    model(pixels).square().sum().backward()
    optimizer.step()


def test_steps_equal_torchs_also_after_a_restart() -> None:
    ours, theirs = make_model(), make_model()
    optimizer = build_optimizer([list(ours.parameters())], [0.1], 0.5)
    decay = [p for p in theirs.parameters() if p.ndim > 1]
    plain = [p for p in theirs.parameters() if p.ndim <= 1]
    oracle = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.5}, {"params": plain, "weight_decay": 0.0}],
        lr=0.1,
        betas=BETAS,
        fused=True,
    )
    for step in range(4):
        if step == 2:
            state = optimizer.state_dict()
            optimizer = build_optimizer([list(ours.parameters())], [0.1], 0.5)
            optimizer.load_state_dict(state)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"]
        pixels = torch.randn(6, 4, generator=torch.Generator().manual_seed(step))
        take_step(ours, optimizer, pixels)
        take_step(theirs, oracle, pixels)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_frozen_parameters_are_left_out() -> None:
    model = make_model()
    model[0].requires_grad_(False)
    optimizer = build_optimizer([list(layer.parameters()) for layer in model], [0.1, 0.2, 0.3], 0.0)
    assert [group["peak"] for group in optimizer.param_groups] == [0.2, 0.3, 0.3]
