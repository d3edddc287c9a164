"""The batch of all processes, with gradient: any number of processes optimizes the one global objective."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

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


def share_of(total: int) -> range:
    """Which of so many rows are this process's; where there are fewer rows than processes, each has all.

    >>> share_of(5)
    range(0, 5)
    """
    rank, world = place_among_processes()
    return _share(rank, world, total)


def _share(rank: int, world: int, total: int) -> range:
    return range(total) if total < world else range(rank * total // world, (rank + 1) * total // world)


@torch.no_grad()
def gather_rows(mine: Tensor, total: int) -> Tensor:
    """The rows (total, ...) of which each process has its `share_of`, in all processes: bit for bit, in order.

    >>> gather_rows(torch.ones(2, 3), 2).shape
    torch.Size([2, 3])
    """
    world = place_among_processes()[1]
    if world == 1 or total < world:
        return mine
    device = torch.device("cuda") if dist.get_backend() == "nccl" else mine.device
    padded = mine.new_zeros(-(-total // world), *mine.shape[1:], device=device)
    padded[: len(mine)] = mine
    parts = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(parts, padded)
    return torch.cat([part[: len(_share(rank, world, total))] for rank, part in enumerate(parts)]).to(mine.device)


def sum_of_all(value: Tensor) -> Tensor:
    """The sum of a value over the processes, without gradient.

    >>> sum_of_all(torch.tensor(2.0))
    tensor(2.)
    """
    found = value.detach()
    if place_among_processes()[1] > 1:
        found = found.clone()
        dist.all_reduce(found)
    return found


@torch.no_grad()
def same_buffers(module: nn.Module) -> None:
    """Give all processes the first one's buffers: on a CPU each has batch norm statistics of its own."""
    if place_among_processes()[1] > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, 0)


def wait_for_all() -> None:
    """Wait until every process is here."""
    if place_among_processes()[1] > 1:
        dist.barrier()


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
