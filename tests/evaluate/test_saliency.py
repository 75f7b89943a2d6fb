import numpy as np
import torch

from captcha_tagger.data.held_out import HeldOut
from captcha_tagger.data.pixels import Shape
from captcha_tagger.evaluate.ask import infer_evidence
from captcha_tagger.evaluate.saliency import grad_cam
from captcha_tagger.network.inference import infer
from tests.conftest import make_tagger

CPU = torch.device("cpu")


def test_maps_lie_on_the_feature_grid_and_peak_at_the_prob(images, tmp_path):
    model = make_tagger("concat")
    pixels = images.pixels(torch.arange(len(images))).numpy()
    np.save(tmp_path / "pixels.npy", pixels)
    rows = np.arange(len(images))
    held_out = HeldOut(tmp_path, Shape(*pixels.shape[1:]), rows, [""] * len(images))
    evidence = infer_evidence(model, held_out, rows, CPU).astype(np.float32)
    probs = 1 / (1 + np.exp(-infer(model, images).logits))
    rows, columns = model.features(images.pixels(torch.arange(1))).shape[2:]
    assert evidence.shape == (*probs.shape, rows, columns)
    assert evidence.min() >= 0
    peaks = evidence.max((2, 3))
    seen = peaks > 0
    assert seen.any()
    np.testing.assert_allclose(peaks[seen], probs[seen], rtol=1e-2, atol=1e-3)


def test_maps_are_those_of_the_gradients_by_hand(images):
    """Selvaraju et al. (2017), equations 1 and 2, for one label of one image."""
    model, pixels = make_tagger("concat"), images.pixels(torch.arange(1))
    features = model.features(pixels).detach().requires_grad_()
    logits = model.head(features)
    (gradient,) = torch.autograd.grad(logits[0, 2], features)
    expected = torch.relu((gradient.mean((2, 3), keepdim=True) * features).sum(1))[0].detach()
    actual = grad_cam(model, pixels)[0, 2]
    torch.testing.assert_close(actual / actual.max(), expected / expected.max())


def test_looking_leaves_the_model_as_it_was(images):
    model = make_tagger("concat")
    grad_cam(model, images.pixels(torch.arange(2)))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not model.training
