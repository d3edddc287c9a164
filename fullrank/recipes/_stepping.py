"""What an optimizer's step is limited to, as flags. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stepping:
    """Gradient clipping, and a weight decay that changes during the training."""

    clip_gradients: float | None = None
    """Largest norm of the gradient, which is scaled down to it; by default no limit."""
    clip_each: bool = False
    """Clip the gradient of each weight matrix or vector by itself, not that of all together."""
    weight_decay_end: float | None = None
    """Weight decay at the end, reached by a cosine over all steps; by default as at the start."""
