"""The networks for a CPU: thousands of small views per second and core, and features worth probing."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from fullrank.errors import UserError

WIDTH = 512  # 128 channels at 2 x 2 positions
SMALLEST = 8  # pixels
_WIDTHS = (32, 64, 128)  # channels


def tiny(*, image_size: int, channels: int) -> nn.Sequential:
    """Three 3x3 convolutions of 32, 64 and 128 channels, pooled to 2 x 2: (N, C, H, W) to (N, 512).

    Each halves the image, except the first below 16 px, so that four true positions are left to pool: a map of
    1 x 1 would repeat its 128 features four times, a collapse by construction. Pooling to 2 x 2 keeps the
    layout, which a network this small needs (global pooling falls below raw pixels on Fashion-MNIST).
    0.09 million parameters. Raises UserError below 8 px.

    >>> sum(p.numel() for p in tiny(image_size=32, channels=3).parameters())
    93472
    """
    return nn.Sequential(*_convolutions("tiny", image_size, channels), nn.AdaptiveAvgPool2d(2), nn.Flatten())


def tiny_residual(*, image_size: int, channels: int) -> nn.Sequential:
    """`tiny` with a residual block of two 3x3 convolutions before it is pooled: (N, C, H, W) to (N, 512).

    As in a ResNet every feature is the ReLU of what came in plus a block that mixes all channels, so a loss on some
    features trains the layers below of the others too, which DirectCLR relies on. 0.39 million parameters. Raises
    UserError below 8 px.

    >>> sum(p.numel() for p in tiny_residual(image_size=32, channels=3).parameters())
    388896
    """
    layers = _convolutions("tiny_residual", image_size, channels)
    return nn.Sequential(*layers, Residual(_WIDTHS[-1]), nn.AdaptiveAvgPool2d(2), nn.Flatten())


class Residual(nn.Module):
    """The basic block of a ResNet (He et al., 2015): x (N, C, H, W) to ReLU(x + what two convolutions make of it)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W), of the shape it had."""
        y: Tensor = self.block(x)
        return (x + y).relu_()


TINY: dict[str, Callable[..., nn.Sequential]] = {"tiny": tiny, "tiny_residual": tiny_residual}
"""The networks of ours by the name of --backbone."""


def _convolutions(name: str, image_size: int, channels: int) -> list[nn.Module]:
    if image_size < SMALLEST:
        raise UserError(f"'{name}' cannot take images of {image_size} px: pass images of at least {SMALLEST} px.")
    first = 2 if image_size >= 2 * SMALLEST else 1
    layers: list[nn.Module] = []
    for width_in, width, stride in zip((channels, *_WIDTHS), _WIDTHS, (first, 2, 2), strict=False):
        layers += [
            nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
    return layers
