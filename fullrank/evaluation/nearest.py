"""The nearest rows of a file of embeddings, in one pass and bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from fullrank.errors import UserError


def nearest(queries: Tensor, chunks: Iterable[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """The k rows of largest cosine with each query (q, D): cosines (q, k), descending, and rows (q, k) from 0.

    Fewer where there are fewer rows. Of equal cosines the first row wins. UserError where the widths differ.

    >>> nearest(torch.tensor([[1.0, 0.0]]), [torch.tensor([[0.0, 1.0], [2.0, 0.0]]), torch.tensor([[1.0, 1.0]])], 2)
    (tensor([[1.0000, 0.7071]]), tensor([[1, 2]]))
    """
    unit = _unit(queries)
    best = unit.new_zeros(len(unit), 0)
    at = torch.zeros(len(unit), 0, dtype=torch.int64)
    read = 0
    for chunk in chunks:
        if chunk.shape[1] != unit.shape[1]:
            raise UserError(
                f"The rows have {chunk.shape[1]} dimensions and the query has {unit.shape[1]}: pass one model's."
            )
        here = torch.arange(read, read + len(chunk)).expand(len(unit), -1)
        cosines, rows = torch.cat([best, unit @ _unit(chunk).T], 1), torch.cat([at, here], 1)
        order = cosines.sort(dim=1, descending=True, stable=True).indices[:, :k]
        best, at = cosines.gather(1, order), rows.gather(1, order)
        read += len(chunk)
    return best, at


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows.float(), dim=1)
