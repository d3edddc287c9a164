"""The network for a CPU: thousands of small views per second and core, and features worth probing."""

from __future__ import annotations

from torch import nn

from fullrank.errors import UserError

WIDTH = 512  # 128 channels at 2 x 2 positions
SMALLEST = 8  # pixels


def tiny(*, image_size: int, channels: int) -> nn.Sequential:
    """Three 3x3 convolutions of 32, 64 and 128 channels, pooled to 2 x 2: (N, C, H, W) to (N, 512).

    Each halves the image, except the first below 16 px, so that four true positions are left to pool: a map of
    1 x 1 would repeat its 128 features four times, a collapse by construction. Pooling to 2 x 2 keeps the
    layout, which a network this small needs (global pooling falls below raw pixels on Fashion-MNIST).
    0.09 million parameters. Raises UserError below 8 px.

    >>> sum(p.numel() for p in tiny(image_size=32, channels=3).parameters())
    93472
    """
    if image_size < SMALLEST:
        raise UserError(f"'tiny' cannot take images of {image_size} px: pass images of at least {SMALLEST} px.")
    first = 2 if image_size >= 2 * SMALLEST else 1
    layers: list[nn.Module] = []
    for width_in, width, stride in ((channels, 32, first), (32, 64, 2), (64, 128, 2)):
        layers += [
            nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
