"""Whether cosine and inner product find the same neighbors; where they do not, norms decide what a search returns."""

from __future__ import annotations

import torch

from fullrank.metrics._pairs import sample
from fullrank.metrics.cloud import Rows, as_cloud
from fullrank.metrics.record import SHARED, Measurement

_AT_A_TIME = 512  # rows of a block of inner products


def neighbor_agreement(z: Rows, *, k: int = 10, seed: int = 0) -> float:
    """Share of the k nearest rows by cosine that are among the k largest by inner product too.

    It is low where a few long rows are the neighbors of all others, so that the choice of the index matters (maximum
    inner product search, Shrivastava & Li, 2014). Ties are broken at random. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        k: Number of neighbors, at most N - 1.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        A number in [0, 1]; 1 where all rows are of one length; no value is healthy for certain; fewer than three rows
            give 1.

    >>> z = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 9.0], [0.1, 9.0]])
    >>> neighbor_agreement(z, k=1)  # the second row's largest product is with a long one
    0.75
    """
    cloud = as_cloud(z, seed)
    if cloud.n < 3:
        return 1.0
    by_cosine = cloud.nearest(k)[1]
    norms, own_squares = sample(cloud.norms, cloud.seed), cloud.drawn.square().sum(1)
    shared = 0
    for start in range(0, len(cloud.drawn), _AT_A_TIME):
        block = slice(start, start + _AT_A_TIME)
        own = by_cosine[block]
        products = (own_squares[block, None] + own_squares - cloud.drawn_apart.of(block)).mul_(norms)  # twice
        products[:, start:].fill_diagonal_(-torch.inf)
        both = torch.cat([own, products.topk(own.shape[1], dim=1).indices], 1).sort(1).values
        shared += int((both[:, 1:] == both[:, :-1]).sum())
    return shared / by_cosine.numel()


NEIGHBOR_AGREEMENT = Measurement(
    "neighbor_agreement",
    neighbor_agreement,
    "neighbors that cosine and inner product share",
    "k = 10",
    "pairs",
    of="rows",
    range=(0.0, 1.0),
    no_interval=SHARED,
)
