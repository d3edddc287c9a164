"""What memory does not hold, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fullrank.errors import UserError


@contextmanager
def memory_is_an_error(remedy: str) -> Iterator[None]:
    """During the body, too little memory is a UserError that says what to pass.

    >>> with memory_is_an_error("a smaller --projector"):
    ...     torch.empty(2**60)
    Traceback (most recent call last):
    fullrank.errors.UserError: There is not enough memory: pass a smaller --projector.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = str(error)
        lacking = isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in said
        if not lacking and "Storage size calculation overflowed" not in said:
            raise
        raise UserError(f"There is not enough memory: pass {remedy}.") from error
