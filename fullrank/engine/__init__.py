"""What moves weights: optimizers, the trainer, checkpoints, processes. Importing it loads no torch."""

from __future__ import annotations

from fullrank.engine.options import RunOptions, TrainerOptions

__all__ = ["RunOptions", "TrainerOptions"]
