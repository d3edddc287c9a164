"""The batch of all processes, with gradient: any number of processes optimizes the one global objective."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from fullrank.stats import Shares, shared


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, dim: int) -> Tensor:
        ctx.dim = dim
        parts = [torch.empty_like(z, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, z.contiguous())
        return torch.cat(parts, dim)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        gradient = grad_outputs[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)  # every process holds the whole loss: the sum, then averaged over processes by DDP
        return gradient.chunk(dist.get_world_size(), ctx.dim)[dist.get_rank()], None


def place_among_processes() -> tuple[int, int]:
    """Rank of this process and how many there are, by the process group; (0, 1) without one.

    >>> place_among_processes()
    (0, 1)
    """
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def gather(z: Tensor, dim: int = 0) -> Tensor:
    """z of all processes, concatenated along `dim` in the order of their ranks, with its gradient.

    The gradient is summed over processes, so that with the averaging of DDP it is that of one process with the
    whole batch; losses that compare samples need it. Blind to shapes: processes that pass different ones wait for
    each other or fail, so drop a last batch that is smaller.

    Args:
        z: Any tensor, of the same shape in every process.
        dim: The dimension that counts the samples: 1 for views (V, N, D).

    Returns:
        The samples of all processes; z itself without a process group.

    >>> gather(torch.ones(2, 3), dim=1).shape
    torch.Size([2, 3])
    """
    if place_among_processes()[1] == 1:
        return z
    gathered: Tensor = _Gather.apply(z, dim)
    return gathered


@contextmanager
def sharing() -> Iterator[None]:
    """Processes share what a loss computes over all pairs of gathered rows: same value and gradient, less of it each.

    Every process must compute the same losses of the same gathered tensors inside, in the same order, and take one
    derivative of them. Few rows are not shared. Alone, nothing changes.

    >>> from fullrank.losses import nt_xent
    >>> with sharing():
    ...     loss = nt_xent(gather(torch.ones(2, 8, 4), dim=1))["loss"]
    """
    rank, count = place_among_processes()
    with shared(Shares(rank, count, gather) if count > 1 else None):
        yield
