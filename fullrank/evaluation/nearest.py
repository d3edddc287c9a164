"""The nearest rows by cosine, exact: in one pass over chunks, and of similarities at hand."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.stats import normalize

_GROUP = 16  # columns whose largest value is looked at first


def nearest(queries: Tensor, chunks: Iterable[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """The k rows of largest cosine with each query (q, D): cosines (q, k), descending, and rows (q, k) from 0.

    Fewer where there are fewer rows. Of equal cosines the first row wins; that of a row with NaN or infinity is -inf.
    Raises UserError where the widths differ.

    >>> nearest(torch.tensor([[1.0, 0.0]]), [torch.tensor([[0.0, 1.0], [2.0, 0.0]]), torch.tensor([[1.0, 1.0]])], 2)
    (tensor([[1.0000, 0.7071]]), tensor([[1, 2]]))
    """
    unit = normalize(queries.float())
    best = unit.new_zeros(len(unit), 0)
    at = torch.zeros(len(unit), 0, dtype=torch.int64)
    read = 0
    for chunk in chunks:
        if chunk.shape[1] != unit.shape[1]:
            raise UserError(
                f"The rows have {chunk.shape[1]} dimensions and the query has {unit.shape[1]}: pass those of one model."
            )
        here = torch.arange(read, read + len(chunk)).expand(len(unit), -1)
        near = (unit @ normalize(chunk.float()).T).where(chunk.isfinite().all(1), -torch.inf)
        cosines, rows = torch.cat([best, near], 1), torch.cat([at, here], 1)
        best, order = largest(cosines, min(k, cosines.shape[1]))
        at = rows.gather(1, order)
        read += len(chunk)
    return best, at


def largest(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row (Q, M), descending, and where; of equal ones, those of lowest index, it first.

    >>> largest(torch.tensor([[0.5, 1.0, 0.5]]), 2)[1]
    tensor([[1, 0]])
    """
    values, index = _top(similarity, min(k + 1, similarity.shape[1]))
    cut = (values[:, k - 1] == values[:, -1]) & (values.shape[1] > k)
    index = index[:, :k]
    if cut.any():  # rare, but every row of a collapsed encoder
        rows, least = similarity[cut], values[cut, k - 1, None]
        above, equal = rows > least, rows == least
        room = k - above.sum(1, keepdim=True)
        chosen = above | (equal & (equal.cumsum(1, dtype=torch.int32) <= room))
        index[cut] = chosen.nonzero()[:, 1].view(-1, k)
    index = index.sort(dim=1).values
    values, order = similarity.gather(1, index).sort(dim=1, descending=True, stable=True)
    return values, index.gather(1, order)


def _top(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As `topk`, which is slow in wide rows: it is asked for groups by their largest value, then inside of those."""
    queries, width = similarity.shape
    groups = width // _GROUP
    if groups < _GROUP * k:
        return similarity.topk(k)
    even = groups * _GROUP  # the others are candidates in any case
    best = similarity[:, :even].view(queries, _GROUP, groups).amax(1).topk(k, sorted=False).indices
    inside = torch.arange(0, even, groups, device=similarity.device)
    rest = torch.arange(even, width, device=similarity.device).expand(queries, -1)
    columns = torch.cat([(best[:, :, None] + inside).flatten(1), rest], 1)
    values, place = similarity.gather(1, columns).topk(k)
    return values, columns.gather(1, place)
