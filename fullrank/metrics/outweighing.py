"""Dimensions far larger than the others (massive activations): their share of the variance, and the rank they hide."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.metrics._embeddings import above_rounding, eigenvalues
from fullrank.metrics.cloud import Cloud, Data, as_cloud
from fullrank.metrics.head import HEAD
from fullrank.metrics.rank import rankme_centered
from fullrank.metrics.record import Measured, Measurement, Measurements
from fullrank.stats import hill

OUTWEIGHS = 20.0  # ours: the fall of variance behind them; the first component of pictures has up to 15
_FEW = 0.02  # ours: share of the dimensions that may outweigh the rest, or three; networks write into fewer


def outweighing(z: Cloud) -> Tensor:
    """The few dimensions after which the variance falls twentyfold or more, largest first; mostly there are none.

    A few are up to three, or 2 % of them. Of several such falls, the largest counts.

    >>> import torch
    >>> outweighing(Cloud(torch.tensor([[1.0, 30.0], [-1.0, -30.0]])))
    tensor([1])
    """
    variance, order = z.mean_and_variance[1].sort(descending=True, stable=True)
    first = variance[: max(HEAD, int(_FEW * z.dims)) + 1]
    first = first[first > 0]
    falls = first[:-1] / first[1:]
    return order[: int(falls.argmax()) + 1] if len(falls) and float(falls.max()) > OUTWEIGHS else order[:0]


def outweighing_share(z: Data) -> float:
    """Share of the variance that a few dimensions hold, if the variance falls twentyfold or more after them.

    A few are up to three, or 2 % of them. It depends on the axes. It does not measure collapse: see `rank_behind`.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [0, 1); 0 where no dimensions do so.

    >>> import torch
    >>> round(outweighing_share(torch.tensor([[30.0, 1.0, 2.0], [-30.0, -1.0, 2.0], [0.0, 0.0, -4.0]])), 3)
    0.986
    """
    cloud = as_cloud(z)
    variance, which = cloud.mean_and_variance[1], outweighing(cloud)
    return float(variance[which].sum() / variance.sum()) if len(which) else 0.0


OUTWEIGHING_SHARE = Measurement(
    "outweighing_share",
    outweighing_share,
    "variance of dimensions that outweigh the rest",
    f"of up to three, or {_FEW:.0%}, before a fall of {OUTWEIGHS:g} times",
    "dimensions",
    of="moments",
    range=(0.0, 1.0),
    which=outweighing,
    which_are="dimensions",
    rotates=False,
)


def rank_behind(z: Data) -> float:
    """`rankme_centered` without the dimensions of `outweighing_share`, if there are any.

    It depends on the axes. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [1, min(N - 1, D)].

    >>> import torch
    >>> z = torch.cat([100 * torch.eye(4)[:, :1], torch.eye(4)[:, 1:]], 1)
    >>> round(rank_behind(z), 3)
    2.872
    """
    cloud = as_cloud(z)
    which = outweighing(cloud)
    if not len(which):
        return rankme_centered(cloud)
    left = torch.ones(cloud.dims, dtype=torch.bool, device=which.device)
    left[which] = False
    if cloud.moments is not None and cloud.moments.axes is None:
        values = torch.linalg.eigvalsh(cloud.moments.covariance[left][:, left]).flip(0).clamp_min(0.0)
        values = above_rounding(values[: cloud.n], max(cloud.n, cloud.dims))
    else:
        values = eigenvalues(cloud.rows[:, left])
    return float(hill(values.sqrt(), 1))


RANK_BEHIND = Measurement(
    "rank_behind",
    rank_behind,
    "RankMe without dimensions that outweigh the rest",
    "of singular values, centered",
    "dimensions",
    of="moments",
    range=(1.0, math.inf),
    rotates=False,
)


def _share_behind(found: Measurements, n: int, dims: int) -> Measured | None:
    if not {"rank_behind", "outweighing_share"} <= found.keys() or not found["outweighing_share"].value:
        return None
    possible = min(n - 1, dims - max(len(found["outweighing_share"].which), 1))  # a monitor row does not say which
    return Measured("share_behind", found["rank_behind"].value / max(possible, 1))


SHARE_BEHIND = Measurement(
    "share_behind",
    _share_behind,
    "share of the possible rank without these dimensions",
    "of min(N - 1, the other dimensions)",
    "dimensions",
    of="derived",
    range=(0.0, 1.0),
)
