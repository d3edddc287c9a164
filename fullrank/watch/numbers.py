"""The numbers of one reading, cheap enough for a training."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.metrics import summarize


def numbers(views: tuple[Tensor, ...]) -> dict[str, float]:
    """The quick numbers of `summarize` of the first of the views (N, D), with "alignment" if there are two.

    Embeddings with NaN or infinity have "not_finite" alone, the number of such rows, beside "n" and "dims".

    >>> row = numbers((torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]),))
    >>> row["relative_spread"], row["row_norm"], round(row["effective_rank"], 6), row["n"], row["dims"]
    (1.0, 1.0, 2.0, 4, 2)
    """
    z = views[0].detach()
    finite = torch.stack([torch.isfinite(view).all(1).to(z.device) for view in views]).all(0)
    if not bool(finite.all()):
        return {"n": z.shape[0], "dims": z.shape[1], "not_finite": int((~finite).sum())}
    return summarize(z, alignment_pair=(views[0], views[1]) if len(views) > 1 else None, quick=True)
