"""The tiny network is small, takes any image from 8 px, and does not collapse by construction."""

from __future__ import annotations

import pytest
import torch

from fullrank.errors import UserError
from fullrank.nn import encoder


def test_parameter_count() -> None:
    """Three convolutions and their batch norms, 0.09 million in all."""
    convolutions = 9 * (3 * 32 + 32 * 64 + 64 * 128)
    assert sum(p.numel() for p in encoder("tiny", image_size=32).parameters()) == convolutions + 2 * (32 + 64 + 128)


@pytest.mark.parametrize("size", [8, 9, 15, 16, 17, 28, 32, 96])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shapes(size: int, channels: int) -> None:
    tiny = encoder("tiny", image_size=size, channels=channels)
    assert tiny.width == 512
    assert tiny(torch.randn(3, channels, size, size)).shape == (3, 512)


@pytest.mark.parametrize("size", [8, 9, 15, 16, 28])
def test_the_four_positions_differ(size: int) -> None:
    """A map of 1 x 1 pooled to 2 x 2 would repeat every feature four times."""
    torch.manual_seed(0)
    features = encoder("tiny", image_size=size)(torch.randn(4, 3, size, size)).reshape(4, 128, 4)
    assert all((features[..., i] - features[..., j]).abs().max() > 0.1 for i in range(4) for j in range(i))


def test_below_eight_pixels_is_refused() -> None:
    with pytest.raises(UserError, match=r"7 px.*at least 8"):
        encoder("tiny", image_size=7)


def test_channels_last_gives_the_same_features() -> None:
    torch.manual_seed(0)
    tiny = encoder("tiny", image_size=16).double().eval()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    expected = tiny(images)
    last = tiny.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, expected)


def test_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    tiny = encoder("tiny", image_size=16)
    tiny(torch.randn(4, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tiny.parameters())
