import pytest
import torch

from captcha_tagger.engine.compute import set_up
from captcha_tagger.engine.params import Compute


def resolve(precision: str) -> torch.dtype:
    params = Compute(
        device="cpu", threads=1, precision=precision, deterministic=False, save_every_seconds=60,
        workers=1, cluster=None,
    )  # fmt: skip
    return set_up(params).precision


@pytest.mark.parametrize("unit", ["amx_bf16", "avx512_bf16"])
def test_auto_takes_bfloat16_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    """Without AMX it was float32, at 1.7 times the time of a step."""
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {unit: True})
    assert resolve("auto") == torch.bfloat16


def test_auto_takes_float32_elsewhere_and_a_named_precision_is_taken_anywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx2": True})
    assert resolve("auto") == torch.float32
    assert resolve("bfloat16") == torch.bfloat16
