"""What a process of a test does that runs in several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist


@contextmanager
def joined(rank: int, world: int, folder: str, backend: str = "gloo") -> Iterator[None]:
    """One thread, in a group of processes that meet in a folder, from which all leave together."""
    torch.set_num_threads(1)
    dist.init_process_group(backend, init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    yield
    dist.barrier()  # a process that leaves before the others can abort them
    dist.destroy_process_group()
