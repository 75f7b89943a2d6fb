import pytest
import torch

from captcha_tagger.training.length import choose_epochs, measure_wrong
from tests.conftest import make_tagger
from tests.training.test_start import make_data

CPU = torch.device("cpu")


@pytest.mark.parametrize("head", ["ctc", "noisy_or"])
def test_a_model_that_knows_nothing_gets_nearly_everything_wrong(head: str) -> None:
    assert measure_wrong(make_tagger(head), make_data().train_images(CPU)) > 0.9


@pytest.mark.parametrize(
    ("wrong", "batch_size", "epochs"),
    [
        (0.0, 1, 4),  # 20 steps an epoch
        (0.0, 20, 60),  # one step an epoch
        (0.25, 1, 17),
        (0.5, 1, 30),
        (0.5, 20, 200),
        (0.75, 1, 60),
        (1.0, 1, 60),
        (1.0, 20, 400),
    ],
)
def test_the_more_is_wrong_the_longer(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: float,
    batch_size: int,
    epochs: int,
) -> None:
    monkeypatch.setattr("captcha_tagger.training.length.measure_wrong", lambda *_: wrong)
    assert choose_epochs(make_tagger(), make_data(), batch_size, CPU) == epochs
    assert f"fine tune: {epochs} epochs" in capsys.readouterr().out
