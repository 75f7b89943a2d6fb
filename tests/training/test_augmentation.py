import torch

from captcha_tagger.training.augmentation import augment


def make_batch() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (8, 1, 50, 200), generator=generator, dtype=torch.uint8)


def test_the_generator_alone_decides() -> None:
    one = augment(make_batch(), torch.Generator().manual_seed(1))
    torch.rand(3)
    assert torch.equal(one, augment(make_batch(), torch.Generator().manual_seed(1)))
    assert not torch.equal(one, augment(make_batch(), torch.Generator().manual_seed(2)))


def test_pixels_stay_pixels() -> None:
    changed = augment(make_batch(), torch.Generator().manual_seed(1))
    assert changed.shape == (8, 1, 50, 200)
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_nothing_is_flipped_or_lost() -> None:
    """A mark at the upper left stays at the upper left."""
    pixels = torch.zeros(64, 1, 50, 200, dtype=torch.uint8)
    pixels[:, :, 8:16, 20:40] = 255
    changed = augment(pixels, torch.Generator().manual_seed(1)) > 150
    assert changed.flatten(1).any(1).all()
    assert not changed[:, :, 30:].any()
    assert not changed[..., 80:].any()
