"""Whether numbers of a training were finite, asked at every step without waiting for a GPU to answer."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.engine.rows import EVERY


def is_time(device: torch.device, step: int) -> bool:
    """Whether to ask at this step: a CPU always, a GPU, which must stop for it, at every tenth.

    >>> is_time(torch.device("cpu"), 3), is_time(torch.device("cuda"), 3), is_time(torch.device("cuda"), 20)
    (True, False, True)
    """
    return device.type == "cpu" or step % EVERY == 0


class Finite:
    """Keeps on the device of the values the first step at which one was not finite; only `first` waits for it.

    >>> losses = Finite()
    >>> for step, value in enumerate((2.5, math.nan, 1.0, math.inf)):
    ...     losses.note(torch.tensor(value), step)
    >>> losses.first(), Finite().first()
    (1, None)
    """

    def __init__(self) -> None:
        self._first: Tensor | None = None

    def note(self, value: Tensor, step: int) -> None:
        """The value, a number, of this step."""
        now = torch.where(value.isfinite(), math.inf, float(step))
        self._first = now if self._first is None else torch.minimum(self._first, now)

    def ask(self, value: Tensor, step: int) -> int | None:
        """Note the value; the first step whose value was not finite, where it is time to ask."""
        self.note(value, step)
        return self.first() if is_time(value.device, step) else None

    def first(self) -> int | None:
        """The first step whose value was not finite; None if all were."""
        found = math.inf if self._first is None else float(self._first)
        return None if math.isinf(found) else int(found)
