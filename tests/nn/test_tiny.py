"""The tiny networks are small, take any image from 8 px, and do not collapse by construction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import fullrank
from fullrank.errors import UserError
from fullrank.nn import encoder, load_encoder
from fullrank.nn.tiny import TINY
from fullrank.recipes.directclr import DirectCLR


def test_parameter_count() -> None:
    """Three convolutions and their batch norms, 0.09 million in all."""
    convolutions = 9 * (3 * 32 + 32 * 64 + 64 * 128)
    assert sum(p.numel() for p in encoder("tiny", image_size=32).parameters()) == convolutions + 2 * (32 + 64 + 128)


@pytest.mark.parametrize("size", [8, 9, 15, 16, 17, 28, 32, 96])
@pytest.mark.parametrize(("name", "channels"), [("tiny", 1), ("tiny", 3), ("tiny", 4), ("tiny_residual", 3)])
def test_shapes(size: int, name: str, channels: int) -> None:
    tiny = encoder(name, image_size=size, channels=channels)
    assert tiny.width == 512
    assert tiny(torch.randn(3, channels, size, size)).shape == (3, 512)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("size", [8, 9, 15, 16, 28])
def test_the_four_positions_differ(size: int, name: str) -> None:
    """A map of 1 x 1 pooled to 2 x 2 would repeat every feature four times."""
    torch.manual_seed(0)
    features = encoder(name, image_size=size)(torch.randn(4, 3, size, size)).reshape(4, 128, 4)
    assert all((features[..., i] - features[..., j]).abs().max() > 0.1 for i in range(4) for j in range(i))


@pytest.mark.parametrize("name", TINY)
def test_below_eight_pixels_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"'{name}'.*7 px.*at least 8"):
        encoder(name, image_size=7)


def test_channels_last_gives_the_same_features() -> None:
    torch.manual_seed(0)
    tiny = encoder("tiny", image_size=16).double().eval()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    expected = tiny(images)
    last = tiny.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, expected)


@pytest.mark.parametrize("name", TINY)
def test_gradient_reaches_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    tiny = encoder(name, image_size=16)
    tiny(torch.randn(4, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tiny.parameters())


def test_behind_a_residual_block_a_loss_on_some_features_trains_the_layers_below_all_of_them() -> None:
    """DirectCLR on the first 8 of 512 features, two of 128 channels, and the last convolution before the block."""
    moved = {}
    for name in TINY:
        torch.manual_seed(0)
        method = DirectCLR(d0=8).build(encoder(name, image_size=8)).train()
        convolution = method.encoder.model.get_submodule("6")
        assert isinstance(convolution, torch.nn.Conv2d)
        before = convolution.weight.detach().clone()
        stepper = torch.optim.SGD(method.parameters(), lr=1.0)
        method.loss(method([torch.randn(8, 3, 8, 8), torch.randn(8, 3, 8, 8)]))["loss"].backward()
        stepper.step()
        moved[name] = (convolution.weight - before).flatten(1).abs().amax(1) > 0
    assert moved["tiny"].nonzero().flatten().tolist() == [0, 1]
    assert moved["tiny_residual"].all()


@pytest.mark.slow
def test_the_residual_one_is_trained_kept_and_read_again(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 40, "batch_size": 128, "monitor_every": 10**6, "probe": 64, "workers": 0}
    run = fullrank.train("simclr", data="digits", backbone="tiny_residual", out=tmp_path / "run", **settings)
    losses = [row.loss or 0.0 for row in run.train]
    assert losses[-1] < losses[0] - 0.3  # from 4.6; at chance it is 5.5
    saved = load_encoder(tmp_path / "run" / "encoder.safetensors")
    assert (saved.encoder.name, saved.encoder.width) == ("tiny_residual", 512)
    assert fullrank.evaluate(tmp_path / "run")["knn"] > 0.85
