import numpy as np
import pytest
import torch

from captcha_tagger.network.ctc import columns_needed, label_logits, text_losses
from captcha_tagger.network.heads import KERNEL_ROWS, CtcHead
from tests.network.paths import draw_log_probs, enumerate_texts


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_that_of_all_paths_of_the_text(seed: int) -> None:
    log_probs = draw_log_probs(seed)
    texts = torch.tensor([[0, 1, -1], [2, 2, -1], [0, 1, 2]])
    losses = text_losses(torch.from_numpy(log_probs), texts)
    for one, text, loss in zip(
        np.exp(log_probs.astype(float)), texts.tolist(), losses, strict=True
    ):
        spelled = tuple(label for label in text if label >= 0)
        expected = -np.log(enumerate_texts(one)[spelled])
        assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_a_labels_prob_is_that_of_all_texts_that_hold_it(seed: int) -> None:
    log_probs = draw_log_probs(seed)
    probs = torch.sigmoid(label_logits(torch.from_numpy(log_probs)))
    for one, found in zip(np.exp(log_probs.astype(float)), probs, strict=True):
        texts = enumerate_texts(one)
        for label in range(3):
            expected = sum(prob for text, prob in texts.items() if label in text)
            assert found[label].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("sure", [0.0, 15.0, 80.0, 1e4])
def test_a_labels_logit_keeps_its_precision_however_sure(sure: float) -> None:
    """1 - p is 0 in float32 where p is within 17 nats of 1, and the log of 0 no number."""
    columns = torch.zeros(1, 4, 3)  # label 0 in the second column, blanks elsewhere
    columns[0, [0, 2, 3], -1] = sure
    columns[0, 1, 0] = sure
    columns.requires_grad_()
    logits = label_logits(columns.log_softmax(-1))
    wide = columns.detach().double()
    total = (wide.logsumexp(-1) - wide[..., 1:].logsumexp(-1)).sum(1)  # -log of label 0's absence
    expected = total + torch.log(-torch.expm1(-total))
    torch.testing.assert_close(logits[:, 0].double(), expected, rtol=1e-5, atol=1e-5)
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert torch.isfinite(columns.grad).all()  # type: ignore[arg-type]


def test_equal_neighbours_take_a_blank_between() -> None:
    assert [columns_needed(text) for text in ("a", "abc", "aab", "aaa")] == [1, 3, 4, 5]


def test_higher_images_keep_the_weights_and_read_any_row() -> None:
    head = CtcHead(channels=2, rows=12, labels=3)
    assert head.evidence.weight.shape == (4, 2, KERNEL_ROWS, 3)
    features = torch.randn(1, 2, 12, 5, generator=torch.Generator().manual_seed(0))
    evidence = head.evidence(features)  # (1, labels + 1, 6 rows, columns)
    expected = evidence.exp().sum(2).log().transpose(1, 2)
    torch.testing.assert_close(head.weigh(features), expected)
    assert head(features).shape == (1, 3)
