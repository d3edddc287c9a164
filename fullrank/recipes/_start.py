"""What a training begins from, as flags: pretrained weights, and what of them stays. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Start:
    """Pretrained weights, their stem and pixels, and how much of the encoder learns."""

    weights: str | None = None
    """Begin from these: a file (or file::PREFIX), a run, timm:NAME or torchvision:NAME. Under 90 % is refused."""
    stem: Literal["imagenet", "small"] | None = None
    """First layers: as published, or for small images; by default those of the weights, else small up to 64 px."""
    normalize: Literal["imagenet", "half", "data"] | None = None
    """Mean and deviation of pixels: ImageNet's, 0.5, or the data set's, which of files of 8 bits are ImageNet's; by
    default those of the weights, else data."""
    freeze: int = 0
    """How many of the encoder's first layers stay as they are; 1 is what lies before the first block."""
    norm_statistics: Literal["kept", "learned"] | None = None
    """Mean and variance in the encoder's batch norms: kept, or learned of the batches; by default kept with --weights.
    """
    layer_decay: float = 1.0
    """Learning rate of a layer of the encoder as a share of that of the layer behind it."""
