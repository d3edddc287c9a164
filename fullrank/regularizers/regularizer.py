"""What every regularizer is, and what it sees of a training step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from fullrank.methods import Method, Outputs


@dataclass(frozen=True, eq=False)
class Step:
    """What a regularizer sees of a training step; never the recipe."""

    outputs: Outputs
    """Of the whole batch: "representation", "embedding" and what the method adds, each (V, N, D)."""
    spread: Tensor
    """The one of them that `--uniform-on` names."""
    method: Method
    """The networks."""
    epoch: int
    """From 1 to `epochs`."""
    epochs: int
    """Epochs of the training."""


@dataclass(frozen=True)
class Regularizer(ABC):
    """A frozen dataclass of flags: the first is the weight, and their names differ from those of all other flags."""

    @abstractmethod
    def term(self, step: Step) -> tuple[float, Tensor] | None:
        """The weight and the value of the term that is added to the loss; None, and no work, at a weight of 0."""
