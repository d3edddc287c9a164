"""Train and eval mode: looking at a module must not change it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode for the body; afterwards every submodule is in the mode it was in.

    Args:
        module: The network.

    >>> module = nn.Sequential(nn.Linear(2, 2).eval(), nn.Dropout())
    >>> with evaluating(module):
    ...     module[1].training
    False
    >>> module[0].training, module[1].training
    (False, True)
    """
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
